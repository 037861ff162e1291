import { lazy, Suspense } from "react";
import { useInspector } from "@/hooks/use-inspector";

// Its code is fetched when somebody opens it: the talk page stays small.
const Inspector = lazy(() => import("./Inspector"));

/** The inspector below the page, if it is open. */
export function InspectorDock() {
  if (!useInspector()) return null;
  return (
    <Suspense fallback={null}>
      <Inspector />
    </Suspense>
  );
}
