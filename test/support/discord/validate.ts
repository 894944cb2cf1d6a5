/**
 * What Discord refuses, with its code (Reference, "Opcodes and Status Codes", "JSON error codes"): limits of messages
 * (Resources, Message; Interactions, Message Components) and of commands (Interactions, Application Commands). What this
 * file does not know is refused too, which Discord would only ignore: a misspelt field is a fault.
 */

export interface Refusal {
  readonly status: number;
  readonly code: number;
  readonly message: string;
}

type Json = Readonly<Record<string, unknown>>;

const bad = (message: string): Refusal => ({ status: 400, code: 50035, message: `Invalid Form Body: ${message}` });
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const tooLong = (value: unknown, most: number, least = 0) =>
  typeof value !== 'string' || [...value].length > most || [...value].length < least;

function onlyKeys(value: Json, known: readonly string[], what: string): Refusal | undefined {
  const odd = Object.keys(value).find((key) => !known.includes(key));
  return odd === undefined ? undefined : bad(`${what}.${odd} is not known`);
}

/** Resources, Message, "Create Message" and "Edit Message": what makes sense without files, polls and stickers. */
const MESSAGE_KEYS = [
  'content',
  'embeds',
  'components',
  'allowed_mentions',
  'flags',
  'attachments',
  'tts',
  'enforce_nonce',
];
const CREATE_KEYS = ['nonce', 'message_reference', 'sticker_ids', 'poll'];

/** A message that is created or edited. */
export function refuseMessage(body: unknown, creating: boolean): Refusal | undefined {
  if (!isObject(body)) return { status: 400, code: 50109, message: 'The request body contains invalid JSON.' };
  const keys = creating ? [...MESSAGE_KEYS, ...CREATE_KEYS] : MESSAGE_KEYS;
  const odd = onlyKeys(body, keys, 'message');
  if (odd) return odd;
  const { content = '', embeds = [], components = [], nonce, enforce_nonce, message_reference } = body;
  if (tooLong(content, 2_000)) return bad('content: BASE_TYPE_MAX_LENGTH, must be 2000 or fewer');
  if (nonce !== undefined && tooLong(nonce, 25)) return bad('nonce: must be 25 or fewer');
  if (enforce_nonce !== undefined && typeof enforce_nonce !== 'boolean') return bad('enforce_nonce');
  if (!Array.isArray(embeds) || embeds.length > 10) return bad('embeds: must be 10 or fewer');
  if (!Array.isArray(components) || components.length > 5) return bad('components: must be 5 or fewer');
  if (message_reference !== undefined) {
    if (!isObject(message_reference)) return bad('message_reference');
    const strange = onlyKeys(
      message_reference,
      ['message_id', 'channel_id', 'fail_if_not_exists'],
      'message_reference',
    );
    if (strange) return strange;
    if (!isSnowflake(message_reference.message_id)) return bad('message_reference.message_id: not a snowflake');
  }
  let total = 0;
  for (const embed of embeds) {
    const refused = refuseEmbed(embed);
    if (typeof refused !== 'number') return refused;
    total += refused;
  }
  // Resources, Message, "Embed Limits": the sum over all embeds of a message.
  if (total > 6_000) return bad('embeds: MAX_EMBED_SIZE_EXCEEDED, must be 6000 or fewer');
  const refused = refuseRows(components);
  if (refused) return refused;
  const empty = content === '' && embeds.length === 0 && components.length === 0;
  if (empty && (creating || 'content' in body)) {
    return { status: 400, code: 50006, message: 'Cannot send an empty message' };
  }
  return undefined;
}

export const isSnowflake = (value: unknown) => typeof value === 'string' && /^\d{15,21}$/.test(value);

function refuseEmbed(embed: unknown): Refusal | number {
  if (!isObject(embed)) return bad('embeds');
  const odd = onlyKeys(embed, ['title', 'description', 'color', 'fields', 'footer'], 'embed');
  if (odd) return odd;
  const { title = '', description = '', color = 0, fields = [], footer = { text: '' } } = embed;
  if (tooLong(title, 256)) return bad('embed.title: must be 256 or fewer');
  if (tooLong(description, 4_096)) return bad('embed.description: must be 4096 or fewer');
  if (typeof color !== 'number' || color < 0 || color > 0xffffff) return bad('embed.color');
  if (!Array.isArray(fields) || fields.length > 25) return bad('embed.fields: must be 25 or fewer');
  if (!isObject(footer) || tooLong(footer.text, 2_048)) return bad('embed.footer: must be 2048 or fewer');
  let total = String(title).length + String(description).length + String(footer.text).length;
  for (const field of fields) {
    if (!isObject(field)) return bad('embed.fields');
    const strange = onlyKeys(field, ['name', 'value', 'inline'], 'embed.fields');
    if (strange) return strange;
    if (tooLong(field.name, 256, 1)) return bad('embed.fields.name: must be 1 to 256');
    if (tooLong(field.value, 1_024, 1)) return bad('embed.fields.value: must be 1 to 1024');
    total += String(field.name).length + String(field.value).length;
  }
  return total;
}

function refuseRows(rows: readonly unknown[]): Refusal | undefined {
  const ids = new Set<unknown>();
  for (const row of rows) {
    if (!isObject(row) || row.type !== 1 || !Array.isArray(row.components)) return bad('components: not a row');
    if (row.components.length < 1 || row.components.length > 5) return bad('components: a row has 1 to 5');
    for (const button of row.components as unknown[]) {
      if (!isObject(button) || button.type !== 2) return bad('components: not a button');
      const odd = onlyKeys(button, ['type', 'style', 'label', 'custom_id', 'disabled'], 'button');
      if (odd) return odd;
      if (![1, 2, 3, 4].includes(button.style as number)) return bad('button.style');
      if (tooLong(button.label, 80, 1)) return bad('button.label: must be 1 to 80');
      if (tooLong(button.custom_id, 100, 1)) return bad('button.custom_id: must be 1 to 100');
      if (ids.has(button.custom_id)) return bad('COMPONENT_CUSTOM_ID_DUPLICATED');
      ids.add(button.custom_id);
    }
  }
  return undefined;
}

const LOCALES = ['en-US', 'en-GB', 'zh-CN', 'zh-TW', 'ja', 'ko', 'de', 'fr'];
/** "CHAT_INPUT command names … must match" (Application Commands, "Application Command Naming"). */
const NAME = /^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$/u;

/** The body of a bulk overwrite of commands. */
export function refuseCommands(body: unknown): Refusal | undefined {
  if (!Array.isArray(body) || body.length > 100) return bad('commands: must be 100 or fewer');
  const names = new Set<unknown>();
  for (const command of body as unknown[]) {
    if (!isObject(command)) return bad('command');
    const odd = onlyKeys(command, ['name', 'type', 'description', 'description_localizations', 'options'], 'command');
    if (odd) return odd;
    if (command.type !== undefined && command.type !== 1) return bad('command.type');
    if (names.has(command.name)) return bad('APPLICATION_COMMANDS_DUPLICATE_NAME');
    names.add(command.name);
    const refused = refuseNamed(command) ?? refuseOptions(command.options, 0);
    if (refused) return refused;
    if (sizeOf(command) > 8_000) return bad('APPLICATION_COMMAND_TOO_LARGE');
  }
  return undefined;
}

function refuseNamed(one: Json): Refusal | undefined {
  if (typeof one.name !== 'string' || !NAME.test(one.name) || one.name !== one.name.toLowerCase()) {
    return bad(`name: APPLICATION_COMMAND_INVALID_NAME ${String(one.name)}`);
  }
  if (tooLong(one.description, 100, 1)) return bad(`${one.name}.description: must be 1 to 100`);
  const texts = one.description_localizations ?? {};
  if (!isObject(texts)) return bad('description_localizations');
  for (const [locale, text] of Object.entries(texts)) {
    if (!LOCALES.includes(locale)) return bad(`description_localizations: unknown locale ${locale}`);
    if (tooLong(text, 100, 1)) return bad('description_localizations: must be 1 to 100');
  }
  return undefined;
}

function refuseOptions(given: unknown, depth: number): Refusal | undefined {
  const options = given ?? [];
  if (!Array.isArray(options) || options.length > 25) return bad('options: must be 25 or fewer');
  const names = new Set<unknown>();
  let optional = false;
  for (const option of options as unknown[]) {
    if (!isObject(option)) return bad('option');
    const keys = ['type', 'name', 'description', 'description_localizations', 'required', 'choices', 'options'];
    const refused = onlyKeys(option, [...keys, 'autocomplete'], 'option') ?? refuseNamed(option);
    if (refused) return refused;
    if (names.has(option.name)) return bad('APPLICATION_COMMAND_OPTIONS_NAME_INVALID: duplicate');
    names.add(option.name);
    if (option.type === 1) {
      if (depth > 0) return bad('a subcommand in a subcommand');
      const inner = refuseOptions(option.options, depth + 1);
      if (inner) return inner;
      continue;
    }
    if (option.type !== 3 && option.type !== 5) return bad(`option.type ${String(option.type)}`);
    if (option.options !== undefined) return bad('options of an option');
    if (option.required === true && optional) return bad('APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID');
    optional ||= option.required !== true;
    const choices = option.choices ?? [];
    if (!Array.isArray(choices) || choices.length > 25) return bad('choices: must be 25 or fewer');
    if (option.autocomplete === true && (choices.length > 0 || option.type !== 3)) return bad('autocomplete');
    for (const choice of choices as Json[]) {
      if (tooLong(choice.name, 100, 1) || tooLong(choice.value, 100, 1)) return bad('choice');
    }
  }
  const types = new Set((options as Json[]).map(({ type }) => type === 1));
  return types.size > 1 ? bad('subcommands beside options') : undefined;
}

/** "the combined name, description, and value properties … of each command" (the longest localisation counts). */
function sizeOf(one: Json): number {
  const texts = Object.values((one.description_localizations ?? {}) as Json).map((text) => String(text).length);
  const own = String(one.name).length + Math.max(String(one.description).length, ...texts);
  const inner = ((one.options ?? []) as Json[]).reduce((sum, option) => sum + sizeOf(option), 0);
  return own + inner;
}

/** The choices that answer an autocompletion. */
export function refuseChoices(choices: unknown): Refusal | undefined {
  if (!Array.isArray(choices) || choices.length > 25) return bad('choices: must be 25 or fewer');
  for (const choice of choices as Json[]) {
    if (tooLong(choice.name, 100, 1) || tooLong(choice.value, 100, 1)) return bad('choices: 1 to 100');
  }
  return undefined;
}
