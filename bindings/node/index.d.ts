import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** A built-in policy, a file, the text of a policy file (of more than one line), or an object with its keys. */
export type Policy = string | Record<string, unknown>;

export interface Options {
  policy: Policy;
  /** Replace those of the policy: `{ wall: "10s", memory: "512MiB", processes: 64 }`. */
  limits?: Record<string, string | number>;
  /** The command's whole environment; by default this process's, as far as the policy passes it on. */
  env?: Record<string, string>;
  cwd?: string;
  /** Whether processes that the command leaves behind are killed (the default), or waited for. */
  killOnExit?: boolean;
  /** Whether denials by Landlock are reported, too, at the cost of a stop per open. */
  traceDenials?: boolean;
  /** Whether jail's messages are left out of stderr (the default). */
  quiet?: boolean;
  /** Further options of `jail`. */
  options?: string[];
  /** The binary; by default that of the variable JAIL, or `jail` in PATH. */
  jail?: string;
}

/** A denial with what would allow it: docs/agents.md. */
export interface Denial {
  time: number;
  code: string;
  standing: "askable" | "final";
  action: "deny" | "kill";
  errno: string | null;
  what: string;
  program: string;
  pid: number;
  source: string | null;
  line: number | null;
  entry: string | null;
  why: string | null;
  remedy: string | null;
  remove: { source: string; line: number } | null;
  advice: string | null;
}

export type Ending =
  | "exited" | "signalled" | "policy" | "time" | "tasks" | "memory" | "output" | "killed" | "failed" | "not-started";

/** docs/report.md. */
export interface Report {
  version: 1;
  command: string[];
  ending: Ending;
  limit: string | null;
  exit_code: number;
  code: number | null;
  signal: { name: string; number: number } | null;
  error: string | null;
  wall: number | null;
  cpu: { user: number; system: number } | null;
  memory: { peak: number | null; tree: number | null } | null;
  tasks: { most: number; total: number } | null;
  processes: number | null;
  output: { stdout: number | null; stderr: number | null } | null;
  killed_by: Record<string, unknown> | null;
  denied: { total: number; first: Record<string, unknown> | null; counts: Record<string, unknown>[] };
}

export interface Result {
  args: string[];
  report: Report;
  denials: Denial[];
  stdout: string;
  stderr: string;
}

export interface Jail {
  readonly child: ChildProcess;
  readonly pid: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Each denial until now. */
  readonly denials: Denial[];
  readonly ended: Promise<Result>;
  kill(signal?: NodeJS.Signals): boolean;
}

export class JailError extends Error {}
export class JailNotFound extends JailError {}
export class NotStarted extends JailError { readonly result: Result; }
export class JailFailed extends JailError { readonly result: Result; }
export class CommandFailed extends JailError { readonly result: Result; }

export function binary(given?: string): string;
export function spawn(args: string[], options: Options & { stdio?: ("pipe" | "ignore" | "inherit")[] }): Jail;
export function run(args: string[], options: Options & { input?: string; check?: boolean }): Promise<Result>;
