// node scene.mjs MODULES NAMESPACE POD     plays a scene with @kubernetes/client-node; prints what was seen, as JSON
// POD serves at 8080, and has said "started".
import { once } from "node:events";
import net from "node:net";
import { Readable, Writable } from "node:stream";

const [modules, namespace, pod] = process.argv.slice(2);
const k8s = await import(`${modules}/node_modules/@kubernetes/client-node/dist/index.js`);
const config = new k8s.KubeConfig();
config.loadFromDefault();

const GROUP = "client-node.example.com";
const PATH = `/apis/${GROUP}/v1/namespaces/${namespace}/boxes`;
const seen = {};

function sink() {
  const chunks = [];
  const stream = new Writable({
    write(chunk, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

async function until(holds, what) {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function code(promise) {
  try {
    await promise;
    return 0;
  } catch (error) {
    return error.code;
  }
}

// A definition, awaited by a watch.
const schema = { type: "object", properties: { spec: { type: "object", properties: { size: { type: "string", _enum: ["small", "medium", "large"] } } } } };
const definitions = config.makeApiClient(k8s.ApiextensionsV1Api);
await definitions.createCustomResourceDefinition({
  body: {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `boxes.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { plural: "boxes", singular: "box", kind: "Box", listKind: "BoxList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  },
});
seen.established = await new Promise((resolve, reject) => {
  let request;
  const told = (_, object) => {
    const established = (object.status?.conditions ?? []).some((each) => each.type === "Established" && each.status === "True");
    if (established) {
      resolve(true);
      request?.abort();
    }
  };
  const query = { fieldSelector: `metadata.name=boxes.${GROUP}` };
  new k8s.Watch(config)
    .watch("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", query, told, () => {})
    .then((made) => (request = made), reject);
});

// An informer whose watch the server ends each second: it goes on from where it was.
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const where = { group: GROUP, version: "v1", namespace, plural: "boxes" };
const events = [];
let connects = 0;
let lists = 0;
const informer = k8s.makeInformer(config, `${PATH}?timeoutSeconds=1`, () => {
  lists += 1;
  return custom.listNamespacedCustomObject(where);
});
for (const event of ["add", "update", "delete"]) {
  informer.on(event, (object) => events.push(`${event} ${object.metadata.name} ${object.spec.size}`));
}
informer.on("connect", () => (connects += 1));
informer.on("error", (error) => events.push(`error ${error}`));
await informer.start();

const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const box = (name, size) => ({ apiVersion: `${GROUP}/v1`, kind: "Box", metadata: { name, namespace }, spec: { size } });
const apply = (size, manager, force) =>
  objects.patch(box("a", size), undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
seen.created = (await objects.create(box("a", "small"))).spec.size;
seen.refused = await code(objects.create(box("b", "huge")));
seen.applied = (await apply("large", "one", true)).spec.size;
seen.conflict = await code(apply("medium", "two", false));
await until(() => connects >= 3, "a watch that is opened again");
await objects.delete(box("a", "large"));
await until(() => events.some((event) => event.startsWith("delete")), "that it is deleted");
seen.events = [...events]; // that it is stopped, it takes for an error
await informer.stop();
seen.lists = lists;

// A lease that is taken and renewed, and not by one who has not seen that.
const leases = config.makeApiClient(k8s.CoordinationV1Api);
const spec = { holderIdentity: "one", leaseDurationSeconds: 15, acquireTime: new k8s.V1MicroTime(), renewTime: new k8s.V1MicroTime() };
const taken = await leases.createNamespacedLease({ namespace, body: { metadata: { name: "leader" }, spec } });
const renew = (held, holder) => {
  const body = { ...held, spec: { ...held.spec, holderIdentity: holder, renewTime: new k8s.V1MicroTime() } };
  return leases.replaceNamespacedLease({ name: "leader", namespace, body });
};
const renewed = await renew(taken, "one");
seen.renewed = renewed.spec.renewTime >= taken.spec.renewTime && renewed.metadata.resourceVersion !== taken.metadata.resourceVersion;
seen.stale = await code(renew(taken, "two"));
seen.holder = (await leases.readNamespacedLease({ name: "leader", namespace })).spec.holderIdentity;

// A command in the pod, over a WebSocket.
const exec = new k8s.Exec(config);
async function run(command, stdin = null) {
  const [out, err] = [sink(), sink()];
  const status = await new Promise((resolve, reject) => {
    exec.exec(namespace, pod, "main", command, out.stream, err.stream, stdin, false, resolve).catch(reject);
  });
  return { out: out.text(), err: err.text(), status };
}
seen.hostname = (await run(["hostname"])).out;
seen.read = (await run(["head", "-n", "1"], Readable.from(["hello\n", "more\n"]))).out;
const failed = await run(["sh", "-c", "echo oops >&2; exit 7"]);
seen.failed = [failed.err, failed.status.status, failed.status.details?.causes?.[0]?.message];

// Its log, followed.
const log = sink();
const following = await new k8s.Log(config).log(namespace, pod, "main", log.stream, { follow: true, tailLines: 1 });
await until(() => log.text() === "started\n", "its log");
following.abort();
seen.log = log.text();

// Its port.
const forward = new k8s.PortForward(config);
const server = net.createServer((socket) => forward.portForward(namespace, pod, [8080], socket, null, socket));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { connection: "close" } });
seen.page = [answer.status, (await answer.text()).includes(pod)];
server.close();

await definitions.deleteCustomResourceDefinition({ name: `boxes.${GROUP}` });
console.log(JSON.stringify(seen));
process.exit(0);
