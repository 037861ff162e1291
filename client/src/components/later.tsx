import { Component, lazy, Suspense, type ComponentType, type ReactNode } from "react";

/** How long after it was loaded the page waits, where a browser does not tell when it has nothing to do. */
const restMs = 2000;

/**
 * Makes a part of the page whose code is not in the page's own script. It is fetched when the page has nothing to do, so that it
 * is there when it is wanted, even if the server then is not, or is another version with other files.
 */
export function later<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  const Part = lazy(load);
  // A part that could not be fetched now is fetched when it is drawn.
  if (typeof window !== "undefined") whenIdle(() => load().catch(() => undefined));
  return function Later(props: P) {
    return (
      <Whole>
        <Suspense fallback={null}>
          <Part {...props} />
        </Suspense>
      </Whole>
    );
  };
}

function whenIdle(then: () => void): void {
  const wait = (): unknown => ("requestIdleCallback" in window ? window.requestIdleCallback(then) : setTimeout(then, restMs));
  if (document.readyState === "complete") wait();
  else window.addEventListener("load", wait, { once: true });
}

/** A part that fails says so in its own place; the conversation goes on. */
class Whole extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <p role="alert" data-part-failed className="rounded-xl bg-sunken px-4 py-2 text-center text-sm">
        This part of the page could not be loaded.{" "}
        <button type="button" onClick={() => window.location.reload()} className="font-semibold underline underline-offset-2">
          Reload the page
        </button>{" "}
        and the conversation can go on.
      </p>
    );
  }
}
