import { assertEquals } from "@std/assert";
import { remoteMonitor, type RemoteMonitorOptions } from "@stride/stride/callbacks";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";
import { capture } from "./capture.ts";

callbackContract("remoteMonitor()", () => remoteMonitor({ root: "http://localhost:1" }));

interface Received {
  readonly path: string;
  readonly type: string | null;
  readonly token: string | null;
  readonly body: string;
}

/** Trains two epochs against a server. */
async function posts(options: RemoteMonitorOptions, status = 200): Promise<{ received: Received[]; warnings: number }> {
  const received: Received[] = [];
  await using server = Deno.serve({ port: 0, onListen() {} }, async (request) => {
    received.push({
      path: new URL(request.url).pathname,
      type: request.headers.get("content-type"),
      token: request.headers.get("x-token"),
      body: await request.text(),
    });
    return new Response("answer", { status });
  });
  const run = fakeRun();
  const callback = remoteMonitor({ root: `http://localhost:${server.addr.port}`, ...options });
  const { warnings } = await capture(() => driveFit(callback, run, [{ loss: 1 }, { loss: 0.5 }]));
  run.dispose();
  return { received, warnings: warnings.length };
}

Deno.test("remoteMonitor() posts a form after each epoch", async () => {
  const { received, warnings } = await posts({ headers: { "x-token": "t" } });
  assertEquals(received.map(({ body }) => JSON.parse(new URLSearchParams(body).get("data")!)), [
    { epoch: 0, loss: 1 },
    { epoch: 1, loss: 0.5 },
  ]);
  const { path, type, token } = received[0]!;
  assertEquals([path, type, token], ["/publish/epoch/end/", "application/x-www-form-urlencoded;charset=UTF-8", "t"]);
  assertEquals(warnings, 0);
});

Deno.test("remoteMonitor() posts JSON when asked to", async () => {
  const { received } = await posts({ sendAsJson: true, path: "/here" });
  const { path, type, body } = received[1]!;
  assertEquals([path, type, JSON.parse(body)], ["/here", "application/json", { epoch: 1, loss: 0.5 }]);
});

Deno.test("remoteMonitor() only warns, once, when the server refuses", async () => {
  const { received, warnings } = await posts({}, 500);
  assertEquals([received.length, warnings], [2, 1]);
});

Deno.test("remoteMonitor() only warns when there is no server, or it does not answer in time", async () => {
  const run = fakeRun();
  const unreachable = await capture(() => driveFit(remoteMonitor({ root: "http://localhost:1" }), run, [{ loss: 1 }]));
  assertEquals(unreachable.warnings.length, 1);
  assertEquals(unreachable.warnings[0]!.includes("http://localhost:1/publish/epoch/end/"), true);

  // Accepts connections and never answers.
  using listener = Deno.listen({ port: 0 });
  const { port } = listener.addr;
  const monitor = remoteMonitor({ root: `http://localhost:${port}`, timeout: 50 });
  const slow = await capture(() => driveFit(monitor, run, [{ loss: 1 }]));
  assertEquals(slow.warnings.length, 1);
  run.dispose();
});
