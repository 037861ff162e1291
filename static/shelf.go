package static

import (
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/valyala/fasthttp"
)

// shelved is the size from which a body lies on the shelf: a file in memory, from which the kernel sends it without a
// copy. It is mapped, so that the body is memory as well and is there once.
const shelved = 16 << 10

// place says where on the shelf a file's variants lie; those smaller than shelved do not.
type place struct {
	shelf *os.File // nil: there is none
	at    [codings]int64
}

// shelve puts the large bodies of files on a shelf, for as long as the process lives, as the pages do. Where there can be
// none they stay where they are.
func shelve(files map[string]content, log *slog.Logger) map[string]place {
	size := 0
	for _, data := range files {
		for _, body := range data {
			size += room(body)
		}
	}
	if size == 0 {
		return nil
	}
	shelf, memory, err := newShelf(size)
	if err != nil {
		log.Info("static: the kernel copies large files for each answer", "why", err.Error())
		return nil
	}
	places, at := make(map[string]place), 0
	for name, data := range files {
		p := place{shelf: shelf}
		for form, body := range data {
			if room(body) == 0 {
				continue
			}
			end := at + copy(memory[at:], body)
			data[form], p.at[form] = memory[at:end:end], int64(at)
			at += room(body)
		}
		files[name], places[name] = data, p
	}
	if err := settle(memory); err != nil {
		log.Warn("static: the files in memory are not protected from writes", "error", err)
	}
	return places
}

// room is what a body takes of the shelf: whole pages, or nothing.
func room(body []byte) int {
	const page = 4 << 10
	if len(body) < shelved {
		return 0
	}
	return (len(body) + page - 1) / page * page
}

// sender is a connection that lets the kernel send files: live/wire's.
type sender interface {
	// More says that something follows the next write at once.
	More()
}

// stream is a part of the shelf on its way to a sender.
type stream struct{ io.SectionReader }

var streams = sync.Pool{New: func() any { return new(stream) }}

// Close is called by fasthttp when the answer is out, or never will be.
func (s *stream) Close() error {
	streams.Put(s)
	return nil
}

// sendBody answers with a variant's bytes from first to before end.
func (f *file) sendBody(ctx *fasthttp.RequestCtx, chosen coding, first, end int64) {
	size := end - first
	to, ok := ctx.Conn().(sender)
	if !ok || f.shelf == nil || size < shelved || ctx.IsHead() {
		ctx.Response.SetBodyRaw(f.variants[chosen][first:end])
		return
	}
	s := streams.Get().(*stream) //nolint:forcetypeassert // it holds nothing else
	s.SectionReader = *io.NewSectionReader(f.shelf, f.at[chosen]+first, size)
	to.More() // the headers are written next, and then the body
	ctx.Response.ImmediateHeaderFlush = true
	ctx.Response.SetBodyStream(s, int(size))
}
