import { expect, test } from 'vitest';
import { createHeldReports } from '../../../agent/held-reports.ts';
import { until } from '../../support/until.ts';

function held() {
  const sent: string[] = [];
  return { sent, reports: createHeldReports<string>((message) => sent.push(message)) };
}

test('before the switch each report goes at once', () => {
  const { sent, reports } = held();
  reports.send('fetching', 'fetching', false);
  expect(sent).toEqual(['fetching']);
});

test('while the app is down they wait, and go in order with the first that is urgent', () => {
  const { sent, reports } = held();
  reports.send('stopping', 'stopping', false);
  reports.send('starting', 'starting', false);
  expect(sent).toEqual([]);
  reports.send('one good answer', 'probing', true);
  expect(sent).toEqual(['stopping', 'starting', 'one good answer']);
});

test('an app that takes its time: they go after a moment, once', async () => {
  const { sent, reports } = held();
  reports.send('stopping', 'stopping', false);
  await until('the report', () => sent.length > 0);
  reports.flush();
  expect(sent).toEqual(['stopping']);
});
