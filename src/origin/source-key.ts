import { createHash } from 'node:crypto';
import { describeSource, type Source } from '../domain/app.ts';
import { apiAddresses } from '../domain/forge.ts';

/**
 * The name that a source goes by in stores. Apps and devices with the same one share its checks. A feed serves
 * one app, so that is part of it; of a query that people must not see, a hash is.
 */
export function sourceKey(source: Source, app: string): string {
  const text = describeSource(source);
  switch (source.kind) {
    case 'npm':
      return text;
    case 'folder':
      return `${text} for ${app}`;
    case 'git': {
      // User and password decide what a server shows.
      const hidden = text === `git ${source.url}${source.ref === undefined ? '' : ` ${source.ref}`}` ? '' : source.url;
      return hidden === '' ? text : `${text} #${createHash('sha256').update(hidden).digest('hex').slice(0, 12)}`;
    }
    case 'github':
    case 'gitea': {
      // Who is asked, and as whom, decides what there is; which files a device takes of it does not.
      const usual = source.api === undefined && source.tokenFile === undefined;
      const asked = JSON.stringify([apiAddresses(source), source.tokenFile ?? '']);
      return usual ? text : `${text} #${createHash('sha256').update(asked).digest('hex').slice(0, 12)}`;
    }
    case 'feed': {
      const { search } = new URL(source.url);
      const rest = search === '' ? '' : ` ?${createHash('sha256').update(search).digest('hex').slice(0, 12)}`;
      return `${text}${rest} for ${app}`;
    }
  }
}
