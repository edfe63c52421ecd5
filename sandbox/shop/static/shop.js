// The shop: what is shown, and which event of Segment's e-commerce spec each click is.
import { art, HILLS } from "./art.js";
import { consent, forgetUser, send, setConsent } from "./sending.js";

const told = JSON.parse(document.getElementById("told").textContent);
const products = new Map(told.products.map((product) => [product.product_id, product]));
const bySlug = new Map(told.products.map((product) => [product.slug, product]));
const main = document.getElementById("main");
const dialog = document.getElementById("dialog");
const COUPON = "WELCOME10";
const FREE_SHIPPING = 6000;
const SHIPPING = 490;

const basket = new Map(JSON.parse(localStorage.getItem("shop.basket") ?? "[]"));
let user = JSON.parse(localStorage.getItem("shop.user") ?? "null");

const money = (cents) => new Intl.NumberFormat("en-US", { style: "currency", currency: told.currency }).format(cents / 100);
const text = (value) => String(value).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

// -- events -----------------------------------------------------------------------------------------------------------

function asProperties(product, quantity = 1) {
  const { product_id, sku, name, category, price_cents } = product;
  return { product_id, sku, name, category, price: price_cents / 100, quantity };
}

function basketValue() {
  const ids = [...basket.keys()];
  return { value: goods() / 100, currency: told.currency, product_ids: ids };
}

function identify() {
  send("identify", user.id, { email: user.email, firstName: user.firstName, lastName: user.lastName });
}

// -- the basket -------------------------------------------------------------------------------------------------------

const goods = () => [...basket].reduce((sum, [id, count]) => sum + products.get(id).price_cents * count, 0);

function sums(coupon) {
  const discount = coupon === COUPON ? Math.floor(goods() / 10) : 0;
  const shipping = goods() - discount < FREE_SHIPPING ? SHIPPING : 0;
  return { goods: goods(), discount, shipping, total: goods() - discount + shipping };
}

function keepBasket() {
  localStorage.setItem("shop.basket", JSON.stringify([...basket]));
  document.getElementById("count").textContent = [...basket.values()].reduce((sum, count) => sum + count, 0);
}

function add(product) {
  basket.set(product.product_id, (basket.get(product.product_id) ?? 0) + 1);
  keepBasket();
  send("track", "Product Added", asProperties(product));
}

function remove(product) {
  send("track", "Product Removed", asProperties(product, basket.get(product.product_id)));
  basket.delete(product.product_id);
  keepBasket();
}

// -- what is shown ----------------------------------------------------------------------------------------------------

function card(product) {
  return `<article class="card"><a href="/shop/p/${product.slug}" data-link>${art(product)}<div class="text">
    <h3>${text(product.name)}</h3><span class="kind">${product.category}</span></div></a>
    <div class="buy"><span class="price">${money(product.price_cents)}</span>
    <button class="add" data-add="${product.product_id}" aria-label="Add ${text(product.name)} to the basket">Add</button></div></article>`;
}

const grid = (found) =>
  found.length ? `<div class="grid">${found.map(card).join("")}</div>` : '<p class="nothing">Nothing was found. Try «merino» or «tent».</p>';

function home() {
  document.title = "Example Outfitters";
  const chosen = told.categories.map((category, n) => told.products.filter((each) => each.category === category)[(n * 7) % 25]);
  main.innerHTML = `<section class="hero">${HILLS}<h1>Good gear for bad weather.</h1>
    <p>Jackets, tents and everything between the door and the summit. ${COUPON} takes 10 % off your first order.</p>
    <a class="main-button" href="/shop/c/jackets" data-link>See the jackets</a></section>
    <div class="head"><h2>Picked for you</h2></div>${grid(chosen)}`;
  send("page", "Home");
}

function category(name) {
  const found = told.products.filter((product) => product.category === name);
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Example Outfitters`;
  main.innerHTML = `<div class="head"><h1>${name}</h1><span>${found.length} products</span></div>${grid(found)}`;
  send("page", "Category", { category: name });
}

function product(found) {
  document.title = `${found.name} · Example Outfitters`;
  const others = told.products.filter((each) => each.category === found.category && each !== found).slice(0, 4);
  main.innerHTML = `<section class="product">${art(found)}<div class="text"><span class="kind">${found.category}</span>
    <h1>${text(found.name)}</h1><span class="price">${money(found.price_cents)}</span>
    <p>Made to be used, washed and used again. Free returns within 30 days; free delivery from ${money(FREE_SHIPPING)}.</p>
    <button class="main-button" data-add="${found.product_id}">Add to basket</button><small class="kind">${found.sku}</small></div></section>
    <div class="head"><h2>Goes with it</h2></div>${grid(others)}`;
  send("page", "Product", { product_id: found.product_id });
  send("track", "Product Viewed", asProperties(found));
}

function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = told.products.filter((each) => words.every((word) => `${each.name} ${each.category}`.toLowerCase().includes(word)));
  document.title = `${query} · Example Outfitters`;
  main.innerHTML = `<div class="head"><h2>«${text(query)}»</h2><span>${found.length} products</span></div>${grid(found)}`;
  send("track", "Products Searched", { query });
}

function show() {
  const [, , place, name] = location.pathname.split("/");
  const query = new URLSearchParams(location.search).get("query")?.trim().slice(0, 200);
  for (const link of document.querySelectorAll("#categories a")) {
    link.classList.toggle("on", link.pathname === location.pathname);
  }
  scrollTo(0, 0);
  if (place === "search" && query) search(query);
  else if (place === "c" && told.categories.includes(name)) category(name);
  else if (place === "p" && bySlug.has(name)) product(bySlug.get(name));
  else home();
}

function go(address) {
  history.pushState(null, "", address);
  show();
}

function account() {
  document.getElementById("account").textContent = user ? `${user.firstName} · sign out` : "Sign in";
}

// -- dialogs ----------------------------------------------------------------------------------------------------------

function open(content) {
  dialog.innerHTML = content;
  if (!dialog.open) dialog.showModal();
}

const CLOSE = '<button class="plain" type="button" data-close>Close</button>';

function openBasket() {
  if (!basket.size) return open(`<h2>Your basket is empty</h2><div class="actions">${CLOSE}</div>`);
  const lines = [...basket].map(([id, count]) => {
    const each = products.get(id);
    return `<div class="line">${art(each)}<div>${text(each.name)}<small>${count} × ${money(each.price_cents)}</small></div>
      <span class="price">${money(count * each.price_cents)}</span><button data-remove="${id}" aria-label="Remove ${text(each.name)}">×</button></div>`;
  });
  open(`<h2>Your basket</h2>${lines.join("")}${shownSums(sums())}
    <div class="actions">${CLOSE}<button class="main-button" data-checkout>Check out</button></div>`);
}

function shownSums(found) {
  const rows = [["Goods", found.goods], found.discount && ["Discount", -found.discount], ["Delivery", found.shipping], ["Total", found.total]];
  return `<div class="sums">${rows.filter(Boolean).map(([name, cents]) => `<div><span>${name}</span><span>${money(cents)}</span></div>`).join("")}</div>`;
}

const fields = `<label>E-mail<input name="email" type="email" required placeholder="you@example.com" autocomplete="email"></label>
  <label>First name<input name="firstName" required autocomplete="given-name"></label>
  <label>Last name<input name="lastName" required autocomplete="family-name"></label>`;

function openSignIn() {
  open(`<h2>Sign in</h2><form data-form="sign-in">${fields}<div class="actions">${CLOSE}<button class="main-button">Sign in</button></div></form>`);
}

function openCheckout() {
  send("track", "Checkout Started", basketValue());
  open(`<h2>Check out</h2>${shownSums(sums())}<form data-form="checkout">${user ? "" : fields}
    <label>Coupon<input name="coupon" placeholder="${COUPON}" autocomplete="off"></label>
    <div class="actions">${CLOSE}<button class="main-button">Place the order</button></div></form>`);
}

function signIn(form) {
  const email = form.get("email").trim().toLowerCase();
  // the same person gets the same id on every device
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(email)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  user = { id: `u_${hash.toString(16).padStart(16, "0")}`, email, firstName: form.get("firstName").trim(), lastName: form.get("lastName").trim() };
  localStorage.setItem("shop.user", JSON.stringify(user));
  account();
  identify();
}

function signOut() {
  user = null;
  localStorage.removeItem("shop.user");
  account();
  forgetUser();
}

function order(form) {
  if (!user) signIn(form);
  const coupon = form.get("coupon").trim().toUpperCase();
  const found = sums(coupon);
  const id = `EO-${[...crypto.getRandomValues(new Uint8Array(5))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const properties = {
    order_id: id,
    total: found.total / 100,
    currency: told.currency,
    discount: found.discount / 100,
    shipping: found.shipping / 100,
    products: [...basket].map(([product_id, count]) => asProperties(products.get(product_id), count)),
  };
  if (found.discount) properties.coupon = coupon;
  send("track", "Order Completed", properties);
  basket.clear();
  keepBasket();
  open(`<h2>Thank you, ${text(user.firstName)}</h2><p>Order <b id="order">${id}</b> over ${money(found.total)} is placed. Nobody will be charged.</p><div class="actions">${CLOSE}</div>`);
}

// -- clicks -----------------------------------------------------------------------------------------------------------

document.addEventListener("click", (click) => {
  const link = click.target.closest("[data-link]");
  if (link && !click.metaKey && !click.ctrlKey && !click.shiftKey) {
    click.preventDefault();
    return go(link.getAttribute("href"));
  }
  const button = click.target.closest("button");
  if (!button) return;
  if (button.dataset.add) add(products.get(button.dataset.add));
  else if (button.dataset.remove) {
    remove(products.get(button.dataset.remove));
    openBasket();
  } else if ("close" in button.dataset) dialog.close();
  else if ("checkout" in button.dataset) openCheckout();
  else if (button.id === "cart") {
    if (basket.size) send("track", "Cart Viewed", basketValue());
    openBasket();
  } else if (button.id === "account") user ? signOut() : openSignIn();
});

dialog.addEventListener("submit", (submit) => {
  submit.preventDefault();
  const form = new FormData(submit.target);
  if (submit.target.dataset.form === "checkout") return order(form);
  signIn(form);
  dialog.close();
});

document.getElementById("search").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const query = new FormData(submit.target).get("query").trim();
  if (query) go(`/shop/search?query=${encodeURIComponent(query)}`);
});

for (const box of document.querySelectorAll("#consent input")) {
  box.checked = consent[box.name];
  box.onchange = () => setConsent(box.name, box.checked);
}

document.getElementById("categories").innerHTML = told.categories
  .map((name) => `<a href="/shop/c/${name}" data-link>${name}</a>`)
  .join("");
addEventListener("popstate", show);
account();
keepBasket();
show();
