import { expect, test } from 'vitest';
import { LANGUAGES } from '../../../src/domain/reply.ts';
import { toHtml } from '../../support/picture/html.ts';
import { PLATFORMS } from '../../support/picture/platforms.ts';
import { scenes } from '../../support/picture/scenes.ts';

/** The pictures in docs/ are drawn from what the adapters send: each card can be drawn, and holds all its words. */
test.each(Object.keys(PLATFORMS).flatMap((name) => LANGUAGES.map((language) => [name, language] as const)))(
  '%s in %s',
  async (name, language) => {
    const platform = PLATFORMS[name];
    if (!platform) throw new Error(name);
    for (const { reply } of scenes(language)) {
      const drawn = platform.look.card(await platform.payload(reply));
      const words = [reply.title, ...(reply.text ?? []), ...(reply.fields ?? []).flatMap((f) => [f.name, f.value])];
      for (const { label } of reply.buttons ?? []) words.push(label);
      // Marks are escaped in as many ways as there are platforms: letters and numbers are compared.
      const letters = (text: string) => text.replace(/&#\d+;/g, '').replace(/[^\p{L}\p{N}]/gu, '');
      for (const word of words) expect(letters(drawn)).toContain(letters(toHtml(word)));
      expect(drawn).not.toMatch(/undefined|NaN|\\\*|&amp;#/);
    }
  },
);
