// @rudderstack/rudder-sdk-node: every call, a batch, and events that meet faults. Told by argv: url, write key, part.
const Analytics = require("@rudderstack/rudder-sdk-node");

const [url, writeKey, part] = process.argv.slice(2);
const errors = [];
let sent = 0;
const told = (error) => (error ? errors.push(String(error)) : (sent += 1));
const analytics = new Analytics(writeKey, {
  dataPlaneUrl: url,
  flushAt: 20,
  flushInterval: 100,
  errorHandler: (error) => errors.push(String(error)),
});

if (part === "calls") {
  const traits = { email: "ada@example.com", plan: "gold", age: 36, address: { city: "Łódź" } };
  const properties = { order_id: "o1", total: 27.5, currency: "EUR", products: [{ product_id: "p1", quantity: 2 }] };
  analytics.identify({ userId: "u1", traits }, told);
  analytics.track({ userId: "u1", event: "Order Completed", properties }, told);
  analytics.page({ userId: "u1", name: "Shop", properties: { depth: 3 } }, told);
  analytics.screen({ userId: "u1", name: "Shop", properties: { depth: 3 } }, told);
  analytics.group({ userId: "u1", groupId: "g1", traits: { seats: 12 } }, told);
  analytics.alias({ userId: "u1", previousId: "before" }, told);
  for (let n = 0; n < 100; n++) analytics.track({ anonymousId: `a${n % 5}`, event: "Counted", properties: { n } }, told);
} else {
  for (let n = 0; n < 10; n++) analytics.track({ userId: "u1", event: "Retried", properties: { n } }, told);
}
// the process stays while requests are under way, and ends by itself
process.on("exit", () => console.log(JSON.stringify({ sent, errors })));
