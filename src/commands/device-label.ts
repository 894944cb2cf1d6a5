import { z } from 'zod';
import { readLabel } from '../domain/device.ts';
import { FettleError } from '../domain/errors.ts';
import { argument, defineCommand } from './contract.ts';
import { deviceArgument, labelWord } from './device-words.ts';

/** `/device label`: sets labels, and takes them away. */
export const deviceLabel = defineCommand({
  name: 'device label',
  role: 'admin',
  args: z.object({
    device: deviceArgument(),
    labels: argument(z.string(), {
      kind: 'text',
      label: 'k=v',
      help: { en: 'key=value sets a label, key= takes it away', zh: 'key=value 设置标签，key= 去掉标签' },
    }),
  }),
  help: { en: 'Labels a device, so that several can be meant by one word', zh: '给设备加标签，便于一次指代多台' },
  examples: [
    { text: '/device label robot-7 site=lab rack=2', help: { en: 'two labels', zh: '两个标签' } },
    { text: '/device label robot-7 rack=', help: { en: 'takes one away', zh: '去掉一个标签' } },
  ],
  async run(context, { device, labels }) {
    const changes: Record<string, string | undefined> = {};
    for (const word of labels.split(/\s+/)) {
      const label = readLabel(word);
      if (!label)
        throw new FettleError('bad_arguments', {
          data: { reason: `a label is key=value, such as site=lab, and not ${word.slice(0, 40)}` },
        });
      changes[label.key] = label.value === '' ? undefined : label.value;
    }
    const found = await context.services.fleet.label(device, changes, context);
    return { reply: { tone: 'good', title: `${found.name}: ${labelWord(found, context.language)}` } };
  },
});
