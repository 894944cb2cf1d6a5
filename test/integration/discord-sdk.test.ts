import { Client, Events, GatewayIntentBits, type Interaction, MessageFlags, Partials } from 'discord.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DiscordPlatform, startDiscord } from '../support/discord/index.ts';
import { until } from '../support/until.ts';

/**
 * The local server against the whole `Client` of discord.js, which knows nothing of Fettle: what it can't tell from the
 * platform is what the adapter is tested with.
 */

let discord: DiscordPlatform;
let client: Client;
const problems: string[] = [];

beforeEach(async () => {
  discord = await startDiscord();
  problems.length = 0;
  client = new Client({
    intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.DirectMessages],
    // Direct chats are not told before somebody writes in them.
    partials: [Partials.Channel],
    rest: { api: discord.api, retries: 0 },
  });
  client.on(Events.Error, ({ message }) => problems.push(message));
  client.on(Events.Warn, (message) => problems.push(message));
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(discord.token);
  await ready;
});
afterEach(async () => {
  await client.destroy();
  await discord.close();
  expect(problems).toEqual([]);
});

const next = () => new Promise<Interaction>((resolve) => client.once(Events.InteractionCreate, resolve));

test('it is the bot that the token is of, in the server that invited it', async () => {
  expect(client.user?.id).toBe(discord.bot.id);
  await until('the server', () => client.guilds.cache.get(discord.guild.id)?.available);
});

test('a command is registered, typed, deferred and answered, and its answer edited', async () => {
  await client.application?.commands.set([
    { name: 'update', description: 'Updates.', descriptionLocalizations: { 'zh-CN': '更新。' } },
  ]);
  const asked = next();
  await discord.type('/update', { locale: 'zh' });
  const interaction = await asked;
  if (!interaction.isChatInputCommand()) throw new Error('not a command');
  expect({ name: interaction.commandName, locale: interaction.locale }).toEqual({ name: 'update', locale: 'zh-CN' });
  await interaction.deferReply();
  await interaction.editReply({ content: 'under way' });
  await interaction.editReply({ embeds: [{ title: 'done', description: '1.4.2' }] });
  const [message] = discord.messages();
  expect(message?.text).toContain('1.4.2');
});

test('a button is pressed and acknowledged', async () => {
  const channel = await client.channels.fetch(discord.group);
  if (!channel?.isSendable()) throw new Error('no channel to send to');
  const sent = await channel.send({
    content: 'a card',
    nonce: '77',
    enforceNonce: true,
    components: [{ type: 1, components: [{ type: 2, style: 1, label: 'Update', customId: 'f:1' }] }],
  });
  const asked = next();
  discord.pressRaw(sent.id, 'f:1');
  const interaction = await asked;
  if (!interaction.isButton()) throw new Error('not a press');
  expect({ id: interaction.customId, message: interaction.message.id }).toEqual({ id: 'f:1', message: sent.id });
  await interaction.deferUpdate();
  await interaction.followUp({ content: 'only you', flags: MessageFlags.Ephemeral });
  await interaction.message.delete();
  await until('it to be gone', () => !discord.messages().some(({ id }) => id === sent.id));
});

test('a message to the bot in a direct chat is heard with its words, another’s in a channel without', async () => {
  const heard: string[] = [];
  client.on(Events.MessageCreate, ({ content, author }) => void (author.bot || heard.push(content)));
  await discord.type('hello', { place: 'direct' });
  discord.write('not for the bot');
  await until('both', () => heard.length === 2);
  expect(heard).toEqual(['hello', '']);
});

test('a connection that is cut is resumed, and what was said meanwhile is heard', async () => {
  const heard: string[] = [];
  client.on(Events.MessageCreate, ({ content }) => void heard.push(content));
  discord.disconnect();
  await discord.type('meanwhile', { place: 'direct' });
  await until('it to be heard', () => heard.length === 1, 20_000);
  expect(discord.resumed).toBe(1);
});
