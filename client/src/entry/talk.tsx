import { Conversation } from "@/components/Conversation";
import { startPage } from "./start";

startPage(<Conversation />);
