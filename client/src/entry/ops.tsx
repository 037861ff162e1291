import { OpsPage } from "@/components/ops/OpsPage";
import { startPage } from "./start";

startPage(<OpsPage />);
