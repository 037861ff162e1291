//go:build !unix

package handlers

// canTry says that a socket cannot be tried without waiting here: TryWrite takes nothing, Write everything.
const canTry = false

func (b *fiberBrowser) tryOnce(uintptr) bool { return true }
