/** The element whose inside is the page. */
export const rootId = "page";
