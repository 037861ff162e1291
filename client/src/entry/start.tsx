import type { ReactElement } from "react";
import { hydrateRoot } from "react-dom/client";
import { keepOfflinePage } from "@/offline/register";
import { rootId } from "./root";

/** Brings the page to life that Next has drawn. */
export function startPage(page: ReactElement): void {
  const root = document.getElementById(rootId);
  if (!root) throw new Error(`There is no #${rootId} in this document.`);
  hydrateRoot(root, page);
  keepOfflinePage();
}
