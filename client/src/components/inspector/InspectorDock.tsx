import { useInspector } from "@/hooks/use-inspector";
import { later } from "../later";

const Inspector = later(() => import("./Inspector"));

/** The inspector below the page, if it is open. */
export function InspectorDock() {
  return useInspector() ? <Inspector /> : null;
}
