// Drawings of the products: one outline a category, one colour a line. No image is loaded from anywhere.
const OUTLINES = {
  jackets: '<path d="M38 14 22 24 10 62l14 6 6-20v58h60V48l6 20 14-6-12-38-16-10-11 9H49zM60 24v82M40 66h12M68 66h12"/>',
  trousers: '<path d="M34 10h52l8 98H70l-8-62h-4l-8 62H26zM34 24h52M60 10v18"/>',
  shirts: '<path d="M44 14 14 28l8 26 14-6v58h48V48l14 6 8-26-30-14c-6 12-26 12-32 0z"/>',
  footwear: '<path d="M30 16h32v34c4 10 36 10 42 28v18H22V60zM22 84h82M62 30H48M62 42H46M70 56l-8 8M80 60l-7 9"/>',
  backpacks: '<path d="M34 40c0-38 52-38 52 0v64H34zM46 16c2-10 26-10 28 0M42 66h36v26H42zM42 76h36M34 52c-14 0-14 36 0 36M86 52c14 0 14 36 0 36"/>',
  shelter: '<path d="M60 22 8 100h104zM60 22v-8M60 44 40 100h40zM2 100h116"/>',
  kitchen: '<path d="M24 40h60v50c0 10-6 16-16 16H40c-10 0-16-6-16-16zM84 52c26-4 26 34 0 32M40 12c-6 8 6 10 0 18M56 12c-6 8 6 10 0 18M72 12c-6 8 6 10 0 18"/>',
  accessories: '<path d="M24 76c0-64 72-64 72 0M18 76h84v22H18zM60 28v-8M40 76v22M60 76v22M80 76v22"/><circle cx="60" cy="14" r="7"/>',
};
const COLOURS = { Alder: "#3f7d58", Birch: "#b98a2f", Cedar: "#a8523a", Fjord: "#35708f", Summit: "#5d5f9a" };

export function art(product) {
  const colour = COLOURS[product.name.split(" ")[0]];
  const back = `linear-gradient(145deg, color-mix(in srgb, ${colour} 13%, #fff), color-mix(in srgb, ${colour} 30%, #fff))`;
  return `<div class="art" style="background:${back};color:${colour}"><svg viewBox="0 0 120 120" aria-hidden="true">${OUTLINES[product.category]}</svg></div>`;
}

export const HILLS = `<svg viewBox="0 0 520 260" aria-hidden="true"><circle cx="400" cy="84" r="38" fill="#f6d28b" opacity=".9"/>
<path d="M60 260 210 92l70 76 66-96 174 188z" fill="#0b4a4b" opacity=".45"/><path d="m346 72-34 50 22 12 18-16 22 14 12-14z" fill="#fff" opacity=".75"/>
<path d="M0 260c90-70 150-92 240-52 80 34 170 6 280 52z" fill="#0b4a4b" opacity=".75"/></svg>`;
