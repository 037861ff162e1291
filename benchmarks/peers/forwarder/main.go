// The floor: bytes go from one socket to the other, whatever they mean. A relay that is measured against it pays for
// the same reads and writes.
//
// PORT is where it listens, UPSTREAM (http://host:port, or https://) where everything goes.
package main

import (
	"crypto/tls"
	"log"
	"net"
	"net/url"
	"os"
)

func main() {
	to, err := url.Parse(os.Getenv("UPSTREAM"))
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		browser, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(browser, to)
	}
}

func serve(browser net.Conn, to *url.URL) {
	defer browser.Close() //nolint:errcheck // it is over
	upstream, err := dial(to)
	if err != nil {
		log.Print(err)
		return
	}
	defer upstream.Close() //nolint:errcheck // it is over
	go func() {
		forward(browser, upstream)
		_ = browser.Close()
		_ = upstream.Close()
	}()
	forward(upstream, browser)
}

func dial(to *url.URL) (net.Conn, error) {
	if to.Scheme == "https" {
		return tls.Dial("tcp", to.Host, nil) // SSL_CERT_FILE names whom it trusts
	}
	return net.Dial("tcp", to.Host)
}

// forward copies until one side ends. Its buffer grows with what there is to read at once. (io.Copy would use
// splice(2), which takes more system calls for small messages.)
func forward(to, from net.Conn) {
	buf := make([]byte, 2<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
		if n == len(buf) && n < 64<<10 {
			buf = make([]byte, 2*n)
		}
	}
}
