// Package handlers is Stonepot's edge: it turns HTTP requests into calls of the session core and back, and adapts
// the voice WebSockets to live.Browser. It holds no state of conversations and takes no decision about them.
//
// What answers which URL is told by package routes. Handlers get plain configuration structs; nobody here reads a
// file or the environment.
package handlers
