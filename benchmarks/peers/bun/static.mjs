// Static files as one serves them with Bun. PORT is where it listens, FILES the directory.
const files = process.env.FILES;

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") return new Response("ok");
    if (pathname.includes("..")) return new Response("not found", { status: 404 });
    const file = Bun.file(files + pathname);
    return (await file.exists()) ? new Response(file) : new Response("not found", { status: 404 });
  },
});
