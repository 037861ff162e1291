package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// fetchers is how many connections ask for the file at once, each again and again.
const fetchers = 20

// fetch measures a file.
func (b *bench) fetch(ctx context.Context, x *process, sc scenario, f *figures) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	_, want := frameBuffer(sc.frame)
	var (
		working sync.WaitGroup
		done    atomic.Int64
		failed  = make(chan error, fetchers)
	)
	for range fetchers {
		working.Go(func() { failed <- fetchAll(ctx, x.host, want, &done) })
	}
	err := b.count(ctx, x, &done, f)
	stop()
	working.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return err
}

func (b *bench) count(ctx context.Context, x *process, done *atomic.Int64, f *figures) error {
	if err := wait(ctx, b.o.warmUp); err != nil {
		return err
	}
	used, err := x.usage()
	if err != nil {
		return err
	}
	before, began := done.Load(), time.Now()
	if err := wait(ctx, b.o.duration); err != nil {
		return err
	}
	now, err := x.usage()
	if err != nil {
		return err
	}
	spend(f, now.since(used), time.Since(began), float64(done.Load()-before))
	f.ProcessKB = now.residentKB
	if f.PerSecond == 0 {
		return errors.New("nobody answered")
	}
	return nil
}

// fetchAll asks for the file until ctx ends, over one connection. The body must be the file's.
func fetchAll(ctx context.Context, host string, want []byte, done *atomic.Int64) error {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it is over
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	request := fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", fileName, host)
	in, body := bufio.NewReaderSize(conn, 64<<10), make([]byte, len(want))
	for ctx.Err() == nil {
		if err := fetchOnce(conn, in, request, body, want); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the end
			}
			return err
		}
		done.Add(1)
	}
	return nil
}

func fetchOnce(conn net.Conn, in *bufio.Reader, request, body, want []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it is read to its end
	if res.StatusCode != http.StatusOK || res.ContentLength != int64(len(want)) {
		return fmt.Errorf("GET /%s: %s with %d bytes instead of %d", fileName, res.Status, res.ContentLength, len(want))
	}
	if _, err := io.ReadFull(res.Body, body); err != nil {
		return err
	}
	if _, err := res.Body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("GET /%s: more came than the file holds: %w", fileName, err)
	}
	if !bytes.Equal(body, want) {
		return fmt.Errorf("GET /%s: the answer is not the file", fileName)
	}
	return nil
}
