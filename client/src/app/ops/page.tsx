import type { Metadata } from "next";
import { OpsPage } from "@/components/ops/OpsPage";

export const metadata: Metadata = {
  title: "Operator · Stonepot",
  description: "What this server is doing.",
  robots: { index: false, follow: false },
};

export default function Page() {
  return <OpsPage />;
}
