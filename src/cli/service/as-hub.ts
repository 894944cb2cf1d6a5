import type { HomeLayout } from '../../../config/home.ts';

export interface AsHubPlan {
  readonly layout: HomeLayout;
  readonly user: string;
  /** Where its socket lives. */
  readonly runtime: string;
  /** The configuration and the chats' secrets: root's, and the hub may read them. */
  readonly files: readonly string[];
}

/**
 * The text of `HOME/keeper/as-hub`: runs a command as the hub's user. What that user needs is made right each time, as
 * root and before anything of the hub runs: files that were written anew since (an editor's, `fettle chats add`), a
 * `/run` that is new after a boot, and a home in which the hub ran as root until now. So there is no step of a migration
 * that could be missing after it was cut off. Without a command it does that alone.
 */
export function asHubText({ layout, user, runtime, files }: AsHubPlan): string {
  const { home, agent, hub, releases } = layout;
  return `#!/bin/sh
# Written by \`fettle install-service\`: runs a command as the hub's user, whose files are made right before.
umask 077
user=${quote(user)}
uid=$(id -u "$user") && gid=$(id -g "$user") || exit 2
# What is root's, and may be read by the hub.
let_read() { [ -L "$1" ] || [ ! -e "$1" ] || { chgrp "$gid" "$1" && chmod "$2" "$1"; } || exit 2; }
chmod 0711 ${quote(home)} || exit 2
for file in ${files.map(quote).join(' ')} ${quote(home)}/*.token ${quote(home)}/*.secret; do let_read "$file" 0640; done
if [ -d ${quote(releases)} ]; then
  # What is in it is no secret among those who may enter; systemd forbids a set-group-id bit, by which new files would be the hub's.
  find ${quote(releases)} -mindepth 1 ! -type l ! -perm -o+r -exec chmod o+rX {} +
  let_read ${quote(releases)} 0750
fi
# Of the agent it reads the public key and the name, and nothing else.
find ${quote(agent.dir)} -mindepth 1 -maxdepth 1 ! -type l ! -name key.pub ! -name id -perm /077 -exec chmod go-rwx {} +
let_read ${quote(agent.dir)} 0710
let_read ${quote(`${agent.key}.pub`)} 0640
let_read ${quote(`${agent.dir}/id`)} 0640
# Its own folder last of what is in it: one that is the hub's is so as a whole. A file with other names is somebody else's as well.
if [ "$(stat -c %u ${quote(hub.dir)})" != "$uid" ]; then
  chmod 0700 ${quote(hub.dir)} || exit 2
  find ${quote(hub.dir)} -depth ! -user "$uid" \\( ! -type f -o -links 1 \\) -exec chown -h "$uid:$gid" {} + || exit 2
fi
install -d -m 0700 -o "$uid" -g "$gid" ${quote(runtime)} || exit 2
[ $# -gt 0 ] || exit 0
unset TMPDIR
export HOME=${quote(hub.dir)} USER="$user" LOGNAME="$user" SHELL=/bin/sh XDG_RUNTIME_DIR=${quote(runtime)}
exec setpriv --reuid="$uid" --regid="$gid" --init-groups --inh-caps=-all --no-new-privs -- "$@"
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
