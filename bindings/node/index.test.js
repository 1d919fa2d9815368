// Tests of the package with the real binary, which JAIL or PATH names: node --test

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CommandFailed, JailFailed, JailNotFound, NotStarted, run, spawn } from "tracejail";

const OPEN = { extends: "permissive" };
const uname = { ...OPEN, syscalls: { uname: "EPERM" } };

test("output, input and exit code are the command's", async () => {
  const result = await run(["sh", "-c", "cat; echo bad >&2; exit 3"], { policy: "permissive", input: "some text\n" });
  assert.deepEqual([result.stdout, result.stderr, result.report.code], ["some text\n", "bad\n", 3]);
  assert.ok(result.report.processes >= 2 && result.report.wall >= 0);
  const failing = run(["sh", "-c", "exit 3"], { policy: OPEN, check: true });
  await assert.rejects(failing, (error) => error instanceof CommandFailed && error.message === "exit code 3");
});

test("a policy is an object or a text, and limits replace its own", async () => {
  const rule = { ...uname, rule: [{ syscall: "ioctl", when: "request == TIOCSTI", action: "kill" }] };
  for (const policy of [uname, rule, 'extends = ["permissive"]\n[syscalls]\nuname = "EPERM"\n']) {
    for (const limits of [undefined, { processes: 8 }]) {
      const { report, denials } = await run(["uname"], { policy, limits });
      assert.deepEqual([report.ending, report.denied.total, denials.length], ["exited", 1, 1]);
      assert.equal(denials[0].errno, "EPERM");
    }
  }
  const { report } = await run(["sleep", "100"], { policy: OPEN, limits: { wall: "300ms" } });
  assert.deepEqual([report.ending, report.limit], ["time", "wall"]);
  await assert.rejects(run(["true"], { policy: { ...OPEN, fs: { reed: [] } } }), /did you mean `read`/);
  await assert.rejects(run(["true"], { policy: { limits: { wall: 1.5 } } }), /no value 1.5/);
});

test("what cannot start is an error with jail's message", async () => {
  await assert.rejects(run(["no-such-program"], { policy: OPEN }), (error) => {
    assert.match(error.message, /no-such-program: command not found/);
    return error instanceof NotStarted && error.result.report.exit_code === 127;
  });
  await assert.rejects(run(["true"], { policy: OPEN, options: ["--no-such-option"] }), /--no-such-option/);
  await assert.rejects(run(["true"], { policy: OPEN, jail: "/no/such" }), JailNotFound);
  await assert.rejects(run("true", { policy: OPEN }), TypeError);
});

test("a failure of jail is no result", async () => {
  const jail = join(mkdtempSync(join(tmpdir(), "node-")), "jail");
  writeFileSync(jail, `#!/bin/sh\necho '{"ending":"failed","error":"no such luck"}' >&3\nexit 125\n`);
  chmodSync(jail, 0o755);
  await assert.rejects(run(["true"], { policy: "base", jail }), (error) => error instanceof JailFailed && /luck/.test(error));
});

test("a command is used while it runs, and killed", async () => {
  const jail = spawn(["sh", "-c", "uname 2>/dev/null; echo ready; cat"], { policy: uname, stdio: ["pipe", "pipe", "ignore"] });
  await new Promise((ready) => jail.stdout.once("data", ready));
  while (jail.denials.length === 0) await new Promise((later) => setTimeout(later, 10));
  jail.kill("SIGKILL");
  const { report } = await jail.ended;
  assert.deepEqual([report.ending, report.exit_code], ["killed", 137]);
});

test("no temporary directory is left", async () => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = mkdtempSync(join(tmpdir(), "node-"));
  await run(["true"], { policy: OPEN });
  await assert.rejects(run(["no-such-program"], { policy: OPEN }));
  assert.deepEqual(readdirSync(process.env.TMPDIR), []);
  process.env.TMPDIR = before;
});

test("the types name the fields that are documented", () => {
  const here = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
  const types = here("index.d.ts");
  const fields = (name) => [...types.split(`interface ${name} {`)[1].split("\n}")[0].matchAll(/^  (\w+)\??:/gm)].map((one) => one[1]);
  const shown = (page) => JSON.parse(here(`../../docs/${page}`).split("```json\n")[1].split("```")[0]);
  assert.deepEqual(fields("Denial").sort(), Object.keys(shown("agents.md")).sort());
  const report = shown("report.md");
  assert.deepEqual(fields("Report").filter((field) => !(field in report)), []);
});
