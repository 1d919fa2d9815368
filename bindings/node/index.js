// Runs commands in a jail. The package calls the `jail` binary, and reads its report and its denials.
// index.d.ts has the types; docs/node.md is the manual.

import { spawn as start } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";

export class JailError extends Error {
  name = this.constructor.name;
}
/** There is no `jail` binary. */
export class JailNotFound extends JailError {}
/** An error with the report of a run. */
class Ended extends JailError {
  constructor(result, message) {
    super(message ?? result.report.error ?? `exit code ${result.report.exit_code}`);
    this.result = result;
  }
}
/** The command was not run: a wrong policy, an ability that the host lacks, no such program. */
export class NotStarted extends Ended {}
/** jail failed while the command ran: nothing is known of the command. */
export class JailFailed extends Ended {}
/** The command did not end by itself with exit code 0, and `check` was set. */
export class CommandFailed extends Ended {}

/** The path of the binary: the given one, or that of the variable JAIL, or `jail` in PATH. */
export function binary(given) {
  const named = given ?? (process.env.JAIL || undefined);
  const executable = (path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  };
  const name = named ?? "jail";
  const places = name.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  const found = places.map((place) => resolve(place, name)).find(executable);
  if (found !== undefined) return found;
  if (named !== undefined) throw new JailNotFound(`${given ? "jail" : "JAIL"} is ${named}, which is no executable file`);
  throw new JailNotFound("no `jail` in PATH: install it, set JAIL to its path, or pass { jail: PATH }");
}

/** Starts a command; `ended` is a promise of its result. */
export function spawn(args, options) {
  if (!Array.isArray(args) || args.length === 0) throw new TypeError("args must be a list of a program and its arguments");
  if (!options?.policy) throw new TypeError("options.policy is missing: a built-in policy, a file, a text or an object");
  const { env, cwd, killOnExit = true, traceDenials = false, quiet = true } = options;
  const folder = mkdtempSync(join(tmpdir(), "tracejail-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const words = ["--report", "fd:3", "--denials", "fd:4", "--policy", policyWord(options, folder)];
    words.push(`--trace-denials=${traceDenials ? "always" : "never"}`);
    if (quiet) words.push("--quiet");
    if (killOnExit) words.push("--kill-on-exit");
    if (cwd !== undefined) words.push("--cwd", cwd);
    if (env !== undefined) words.push("--env-clear", ...Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]));
    words.push(...(options.options ?? []), "--", ...args);
    const [stdin, stdout, stderr] = options.stdio ?? ["ignore", "pipe", "pipe"];
    const child = start(binary(options.jail), words, { stdio: [stdin, stdout, stderr, "pipe", "pipe"] });
    return new Jail(args, child, remove);
  } catch (error) {
    remove();
    throw error;
  }
}

/** The policy as a word of the command line, in a file of this run's own where one is needed. */
function policyWord({ policy, limits }, folder) {
  const write = (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  if (typeof policy === "string" && policy.includes("\n")) policy = write("policy.toml", policy);
  if (typeof policy === "string" && !limits) return policy;
  const document = typeof policy === "string" ? { extends: [policy] } : { ...policy };
  // `extends` is relative to the file that has it.
  const absolute = (one) => (one.includes("/") || one.endsWith(".toml") ? resolve(one) : one);
  if (document.extends !== undefined) document.extends = [document.extends].flat().map(absolute);
  if (limits) document.limits = { ...document.limits, ...limits };
  const lines = Object.entries(document).map(([name, value]) => `${key(name)} = ${toml(value)}\n`);
  return write(typeof policy === "string" ? "limits.toml" : "policy.toml", lines.join(""));
}

// JSON escapes what a basic string of TOML does, but not DEL.
const key = (name) => JSON.stringify(name).replaceAll("\x7f", "\\u007f");

/** A value as TOML, on one line. */
function toml(value) {
  if (typeof value === "string") return key(value);
  if (typeof value === "boolean" || Number.isInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (value !== null && typeof value === "object")
    return `{ ${Object.entries(value).map(([name, one]) => `${key(name)} = ${toml(one)}`).join(", ")} }`;
  throw new TypeError(`a policy has no value ${String(value)}`);
}

/** A command that runs. */
class Jail {
  /** Each denial until now. */
  denials = [];
  #output = ["", ""];

  constructor(args, child, remove) {
    this.child = child;
    [this.stdin, this.stdout, this.stderr] = child.stdio;
    let [report, rest] = ["", ""];
    child.stdio[3].setEncoding("utf8").on("data", (text) => (report += text));
    child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      this.denials.push(...lines.map((line) => JSON.parse(line)));
    });
    [this.stdout, this.stderr].forEach((stream, index) => {
      stream?.setEncoding("utf8").on("data", (text) => (this.#output[index] += text));
    });
    this.ended = new Promise((fulfil, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        const [stdout, stderr] = this.#output;
        const read = report ? JSON.parse(report) : absent(args, code, signal, stderr);
        fulfil({ args, report: read, denials: this.denials, stdout, stderr });
      });
    }).finally(remove);
  }

  get pid() {
    return this.child.pid;
  }

  /** Sends a signal, which jail passes on to the command; SIGKILL kills jail and all processes of the command. */
  kill(signal = "SIGTERM") {
    return this.child.kill(signal);
  }
}

/** A report where jail ended before it wrote one. */
function absent(args, code, signal, stderr) {
  const error = signal ? null : stderr.trim() || "jail refused its command line";
  const report = { version: 1, command: args, ending: signal ? "killed" : "not-started", exit_code: signal ? 137 : code, error };
  const unknown = ["limit", "code", "signal", "wall", "cpu", "memory", "tasks", "processes", "output", "killed_by"];
  for (const name of unknown) report[name] = null;
  return { ...report, denied: { total: 0, first: null, counts: [] } };
}

/** Runs a command to its end. */
export async function run(args, options) {
  const given = options?.input !== undefined;
  const jail = spawn(args, { ...options, stdio: [given ? "pipe" : "ignore", "pipe", "pipe"] });
  // A command may end without reading its input.
  jail.stdin?.on("error", () => {}).end(options.input);
  const result = await jail.ended;
  const { report } = result;
  if (report.ending === "not-started") throw new NotStarted(result);
  if (report.ending === "failed") throw new JailFailed(result);
  if (options.check && !(report.ending === "exited" && report.code === 0)) throw new CommandFailed(result, told(result));
  return result;
}

function told({ report, denials }) {
  const what = report.limit ? `the limit ${report.limit} was exceeded` : (report.signal?.name ?? `exit code ${report.exit_code}`);
  const [first] = denials;
  return first ? `${what}; ${report.denied.total} denied, first: ${first.what} (${first.source}:${first.line})` : what;
}
