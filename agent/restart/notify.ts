import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HomeLayout } from '../../config/home.ts';

/**
 * `READY=1` on `$NOTIFY_SOCKET`, as systemd has it (sd_notify(3)). Node.js has no datagram sockets of the Unix kind, so a
 * small program of the device receives: it binds the socket, leaves a child that listens, and becomes the app. So the
 * socket is there before the app's first instruction, at each start, also where no agent lives.
 */

/** Where the socket is, and the file that holds the id of the last start that said that it was ready. */
export interface NotifyPaths {
  readonly socket: string;
  readonly ready: string;
}

/** In the folder of the other sockets: short, because long paths fail, and nobody else's to enter. */
export function notifyPaths(layout: Pick<HomeLayout, 'runtime'>, of: string): NotifyPaths {
  const name = createHash('sha256').update(of).digest('hex').slice(0, 10);
  return { socket: join(layout.runtime.dir, `n-${name}`), ready: join(layout.runtime.dir, `n-${name}.ready`) };
}

type Name = (typeof RECEIVERS)[number]['name'];

export interface Receiver {
  readonly program: string;
  readonly args: readonly string[];
}

/** The program of this device that can receive: Perl (essential on Debian), else Python; `undefined`: there is none. */
export function findReceiver(
  path = '/usr/local/bin:/usr/bin:/bin',
  names: readonly Name[] = ['perl', 'python3'],
): Receiver | undefined {
  for (const { name, option, script } of RECEIVERS) {
    if (!names.includes(name)) continue;
    for (const folder of [...path.split(':'), '/usr/bin', '/bin']) {
      const program = join(folder, name);
      if (folder.startsWith('/') && isProgram(program)) return { program, args: [option, script] };
    }
  }
  return undefined;
}

/** The command that hears of the app's readiness and becomes the app. */
export function receiving(receiver: Receiver, paths: NotifyPaths, argv: readonly string[]): string[] {
  return [receiver.program, ...receiver.args, paths.socket, paths.ready, ...argv];
}

/** Has this very start said that it is ready? */
export function saidReady(paths: NotifyPaths, startId: string): boolean {
  try {
    return readFileSync(paths.ready, 'utf8') === startId;
  } catch {
    return false;
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/*
 * Both: a grandchild listens, so that the app has no child that it does not know; it ends with the app, and names no
 * path of the slot (it must not pass for the app). It leaves the socket's name alone at its end: by then that may be the
 * next start's. The app is started also where the socket can't be bound.
 */
const PERL = `use strict; use Socket; use POSIX ();
my ($socket, $ready, @app) = @ARGV; my ($pid, $s, $said) = ($$);
unlink $socket, $ready;
my $bound = socket($s, AF_UNIX, SOCK_DGRAM, 0) && bind($s, pack_sockaddr_un($socket));
warn "fettle: no NOTIFY_SOCKET: $!\\n" unless $bound;
my $child = $bound ? fork : undef;
if (defined $child && $child == 0) {
  POSIX::_exit(0) if fork;
  $0 = 'fettle-notify'; chdir '/'; $SIG{$_} = 'IGNORE' for qw(HUP USR1 USR2);
  open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
  while (kill 0, $pid) {
    my $in = ''; vec($in, fileno($s), 1) = 1;
    next unless select($in, undef, undef, 0.5) > 0;
    next unless defined recv($s, $said, 65536, 0) && $said =~ /^READY=1$/m;
    open my $f, '>', "$ready.new" or next; print $f $ENV{FETTLE_START}; close $f; rename "$ready.new", $ready;
  }
  POSIX::_exit(0);
}
waitpid $child, 0 if defined $child;
$ENV{NOTIFY_SOCKET} = $socket if $bound;
exec { $app[0] } @app; warn "$app[0]: $!\\n"; POSIX::_exit(127);`;

const PYTHON_CHILD = `import os, select, signal, socket, sys
ready, pid = sys.argv[1], int(sys.argv[2]); os.chdir('/')
for s in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2): signal.signal(s, signal.SIG_IGN)
s = socket.socket(fileno=int(sys.argv[3]))
while True:
    try: os.kill(pid, 0)
    except OSError: break
    if not select.select([s], [], [], 0.5)[0]: continue
    if b'READY=1' not in s.recv(65536).split(b'\\n'): continue
    with open(ready + '.new', 'w') as f: f.write(os.environ['FETTLE_START'])
    os.rename(ready + '.new', ready)`;

const PYTHON = `import os, socket, sys
path, ready, app, pid = sys.argv[1], sys.argv[2], sys.argv[3:], os.getpid()
for old in (path, ready):
    try: os.unlink(old)
    except OSError: pass
try:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(path); bound = True
except OSError as error:
    sys.stderr.write('fettle: no NOTIFY_SOCKET: %s\\n' % error); bound = False
if bound:
    child = os.fork()
    if child == 0:
        if os.fork(): os._exit(0)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2): os.dup2(null, fd)
        os.set_inheritable(s.fileno(), True)
        os.execv(sys.executable, [sys.executable, '-c', ${JSON.stringify(PYTHON_CHILD)}, ready, str(pid), str(s.fileno())])
    os.waitpid(child, 0)
    os.environ['NOTIFY_SOCKET'] = path
try: os.execvp(app[0], app)
except OSError as error: sys.stderr.write('%s: %s\\n' % (app[0], error)); os._exit(127)`;

const RECEIVERS = [
  { name: 'perl', option: '-e', script: PERL },
  { name: 'python3', option: '-c', script: PYTHON },
] as const;
