import { useEffect, useRef } from "react";
import type { Call } from "@/voice/call";
import { isLive, type Status } from "@/voice/state";

/** Layers of the halo, from the outside in: reach beyond the button, opacity, speed and number of waves. */
const layers = [
  { reach: 1, alpha: 0.16, speed: 0.55, waves: 3 },
  { reach: 0.72, alpha: 0.22, speed: -0.8, waves: 4 },
  { reach: 0.45, alpha: 0.3, speed: 1.1, waves: 5 },
] as const;

/**
 * The living ring around the button: it shows the louder of both sides. It reads the levels when it draws; nothing of
 * that passes through React. The same numbers are written to `data-*` attributes of the element with `data-status`, at
 * most ten times a second, for tests and for anyone who debugs a silent speaker.
 */
export function Halo({ call, status }: { call: Call; status: Status }) {
  const ref = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    const stage = canvas.closest<HTMLElement>("[data-status]");
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    let size = 0;
    let colour = "";
    /** What does not change from frame to frame: asked for when it may have changed. */
    const look = (): void => {
      colour = getComputedStyle(canvas).color;
      if (canvas.clientWidth === size) return;
      size = canvas.clientWidth;
      canvas.width = canvas.height = size * ratio;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
    };

    let shown = 0;
    let published = 0;
    let frame = 0;
    const draw = (time: number): void => {
      const level = Math.max(call.levels.microphone, call.levels.speech);
      // Ears hear in decibels: -50 dB is the rim, -10 dB the full reach. Up at once, down gently.
      const loudness = Math.min(1, Math.max(0, (20 * Math.log10(level + 1e-6) + 50) / 40));
      shown += (loudness - shown) * (loudness > shown ? 0.35 : 0.09);
      context.clearRect(0, 0, size, size);
      context.fillStyle = context.strokeStyle = colour;
      paint(context, size, status, shown, still ? 0 : time / 1000);
      if (stage && time - published > 100) {
        published = time;
        publish(stage, call);
      }
      // Nothing moves while there is no call: one picture is enough.
      if (isLive(status) || status === "ending") frame = requestAnimationFrame(draw);
      else if (stage) publish(stage, call);
    };
    const again = (): void => {
      look();
      cancelAnimationFrame(frame);
      // Not at the next frame: a canvas of another size is empty until then.
      draw(performance.now());
    };
    again();

    // The system's theme, the one that is set, a microphone that is muted, another size of the button.
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", again);
    const attributes = new MutationObserver(again);
    attributes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    if (stage) attributes.observe(stage, { attributeFilter: ["data-muted"] });
    const resized = new ResizeObserver(again);
    resized.observe(canvas);
    return () => {
      cancelAnimationFrame(frame);
      dark.removeEventListener("change", again);
      attributes.disconnect();
      resized.disconnect();
    };
  }, [call, status]);

  return <canvas ref={ref} aria-hidden="true" className="pointer-events-none absolute inset-0 size-full text-(--accent)" />;
}

function paint(c: CanvasRenderingContext2D, size: number, status: Status, level: number, seconds: number): void {
  const centre = size / 2;
  // The button has 58 % of the canvas.
  const inner = size * 0.29;
  const room = size * 0.2;
  if (status === "connecting" || status === "thinking") {
    const turn = seconds * (status === "connecting" ? 2.4 : 1.3);
    c.lineCap = "round";
    c.lineWidth = size * 0.012;
    for (let i = 0; i < 3; i++) {
      const from = turn + (i * Math.PI * 2) / 3;
      c.globalAlpha = status === "connecting" ? 0.5 : 0.35 + 0.35 * Math.sin(seconds * 3 + i * 2);
      c.beginPath();
      c.arc(centre, centre, inner + room * 0.42, from, from + 0.9);
      c.stroke();
    }
    return;
  }
  for (const layer of layers) {
    const reach = inner + room * layer.reach * (0.34 + 0.62 * level);
    const wave = room * 0.16 * level;
    c.globalAlpha = layer.alpha;
    c.beginPath();
    for (let step = 0; step <= 120; step++) {
      const angle = (step / 120) * Math.PI * 2;
      const swell =
        Math.sin(layer.waves * angle + seconds * layer.speed * 3) * 0.6 +
        Math.sin((layer.waves + 2) * angle - seconds * layer.speed * 4.3) * 0.4;
      const radius = reach + wave * swell;
      c.lineTo(centre + radius * Math.cos(angle), centre + radius * Math.sin(angle));
    }
    c.fill();
  }
}

/** Writes what is heard and counted to `data-*` attributes. */
function publish(stage: HTMLElement, call: Call): void {
  const stats = call.stats();
  const facts: Record<string, number | undefined> = {
    levelMicrophone: round(call.levels.microphone),
    levelSpeech: round(call.levels.speech),
    playedMs: stats?.playedMs,
    queuedMs: stats?.queuedMs,
    underruns: stats?.underruns,
    sent: stats?.sent,
    received: stats?.received,
    dropped: stats?.dropped,
    discarded: stats?.discardedMessages,
    resumed: stats?.resumed,
    protocolErrors: stats?.protocolErrors,
  };
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) stage.dataset[name] = String(value);
  }
}

function round(level: number): number {
  return Math.round(level * 10_000) / 10_000;
}
