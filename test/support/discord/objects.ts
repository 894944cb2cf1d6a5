import type { Channel, Interaction, StoredMessage, World } from './world.ts';

/** What the platform shows of what there is, as its documentation has it. */

/** Channels Resource, "Channel Object". */
export function shownChannel(channel: Channel | undefined, world: World): Readonly<Record<string, unknown>> {
  if (!channel) return {};
  const { id, type, guild, parent, person } = channel;
  if (person !== undefined) return { id, type, last_message_id: null, recipients: [world.userOf(person)], flags: 0 };
  return {
    id,
    type,
    name: parent === undefined ? 'operations' : 'a thread',
    guild_id: guild,
    parent_id: parent ?? null,
    position: 0,
    permission_overwrites: [],
    nsfw: false,
    flags: 0,
  };
}

/** Resources, Message, "Message Interaction Metadata Object". */
function metadataOf({ id, kind, user, channel }: Interaction): unknown {
  return { id, type: kind, user, authorizing_integration_owners: { 0: channel.guild ?? '0' } };
}

/** A message as the API shows it. The nonce is only in the answer to who sent it. */
export function shown(message: StoredMessage, withNonce = false): unknown {
  const { channel, nonce, reference, interaction, createdAt, editedAt } = message;
  return {
    id: message.id,
    type: interaction ? 20 : reference ? 19 : 0,
    channel_id: channel.id,
    author: message.author,
    content: message.content,
    embeds: message.embeds,
    components: message.components,
    flags: message.flags,
    attachments: [],
    mentions: [],
    mention_roles: [],
    mention_everyone: false,
    pinned: false,
    tts: false,
    timestamp: new Date(createdAt).toISOString(),
    edited_timestamp: editedAt === undefined ? null : new Date(editedAt).toISOString(),
    ...(withNonce && nonce !== undefined ? { nonce } : {}),
    ...(reference === undefined ? {} : { message_reference: { message_id: reference, channel_id: channel.id } }),
    ...(interaction === undefined ? {} : { interaction_metadata: metadataOf(interaction) }),
  };
}

/** Gateway Events, "Guild Create": a guild with what is in it. */
export function guildOf(world: World): Readonly<Record<string, unknown>> {
  const { id } = world.guild;
  const member = {
    user: world.bot,
    nick: null,
    roles: [],
    joined_at: '2026-01-01T00:00:00.000Z',
    deaf: false,
    mute: false,
    flags: 0,
  };
  const everyone = {
    id,
    name: '@everyone',
    color: 0,
    hoist: false,
    position: 0,
    managed: false,
    mentionable: false,
    flags: 0,
  };
  const channels = [...world.channels.values()].filter(({ guild, parent }) => guild === id && parent === undefined);
  return {
    ...world.guild,
    unavailable: false,
    large: false,
    owner_id: world.people.anna,
    joined_at: member.joined_at,
    member_count: 4,
    verification_level: 0,
    default_message_notifications: 0,
    explicit_content_filter: 0,
    mfa_level: 0,
    premium_tier: 0,
    nsfw_level: 0,
    system_channel_flags: 0,
    preferred_locale: 'en-US',
    features: [],
    emojis: [],
    stickers: [],
    roles: [{ ...everyone, permissions: world.permissions.toString() }],
    members: [member],
    channels: channels.map((channel) => shownChannel(channel, world)),
    threads: [],
    presences: [],
    voice_states: [],
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: [],
  };
}
