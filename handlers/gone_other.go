//go:build !unix

package handlers

import (
	"context"
	"net"
)

// watchGone does not look here: that a client has gone shows when a write fails. stop must be called.
func watchGone(parent context.Context, _ net.Conn) (ctx context.Context, stop func()) {
	return context.WithCancel(parent)
}
