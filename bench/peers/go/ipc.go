// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// Two processes, a Unix stream socket, buffers that are flushed when nobody has more to say: what a
// Go program would do by hand, without channels, credits or several of either on one connection.

const (
	messageBytes = 64
	bufferBytes  = 64 << 10
)

var serverCPU int

// ---- server ----

func serve(kind, path string) {
	runtime.GOMAXPROCS(1)
	l, err := net.Listen("unix", path)
	must(err)
	conn, err := l.Accept()
	must(err)
	if kind == "echo" {
		serveEcho(conn)
	} else {
		size, err := strconv.Atoi(kind)
		must(err)
		serveSum(conn, size)
	}
}

func serveEcho(conn net.Conn) {
	in, out := bufio.NewReaderSize(conn, bufferBytes), bufio.NewWriterSize(conn, bufferBytes)
	message := make([]byte, messageBytes)
	for {
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		_, err := out.Write(message)
		must(err)
		if in.Buffered() < messageBytes {
			must(out.Flush())
		}
	}
}

// A stream ends with 0 and is answered with the sum.
func serveSum(conn net.Conn, size int) {
	in := bufio.NewReaderSize(conn, bufferBytes)
	message := make([]byte, size)
	for sum := uint64(0); ; {
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		v := binary.LittleEndian.Uint64(message)
		if sum += v; v == 0 {
			binary.LittleEndian.PutUint64(message, sum)
			_, err := conn.Write(message[:8])
			must(err)
		}
	}
}

// ---- client ----

type client struct {
	net.Conn
	dir    string
	server *exec.Cmd
}

func connect(kind string) *client {
	dir, err := os.MkdirTemp("", "peer-go")
	must(err)
	path := filepath.Join(dir, "s")
	server := exec.Command("taskset", "-c", strconv.Itoa(serverCPU), os.Args[0], "--serve", kind, path)
	server.Stderr = os.Stderr
	must(server.Start())
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("unix", path)
		if err == nil {
			return &client{conn, dir, server}
		}
		if time.Now().After(deadline) {
			must(err)
		}
	}
}

func (c *client) end() {
	must(c.Close())
	must(c.server.Wait())
	must(os.RemoveAll(c.dir))
}

// Sends while fewer than inFlight are on their way, else receives.
func echoAll(t *trial, c *client, inFlight int, took []float64) {
	in, out := bufio.NewReaderSize(c, bufferBytes), bufio.NewWriterSize(c, bufferBytes)
	message := make([]byte, messageBytes)
	var sentAt time.Time
	for sent, got := 0, 0; got < t.ops; {
		for ; sent < t.ops && sent-got < inFlight; sent++ {
			binary.LittleEndian.PutUint64(message, uint64(sent))
			sentAt = time.Now()
			_, err := out.Write(message)
			must(err)
		}
		must(out.Flush())
		for more := true; more; more = in.Buffered() >= messageBytes {
			_, err := io.ReadFull(in, message)
			must(err)
			if v := binary.LittleEndian.Uint64(message); v != uint64(got) {
				t.wrong("%d came back instead of %d", v, got)
			}
			took[got] = float64(time.Since(sentAt)) / 1e3
			got++
		}
	}
}

func ipcEcho(t *trial) []float64 {
	c := connect("echo")
	took := make([]float64, t.ops)
	inFlight := t.n / 2
	t.start()
	echoAll(t, c, inFlight, took)
	t.stop()
	c.end()
	if inFlight == 1 {
		return []float64{percentile(took, 0.5)}
	}
	return []float64{t.rate()}
}

func ipcStream(t *trial) []float64 {
	c := connect(strconv.Itoa(t.n))
	out := bufio.NewWriterSize(c, bufferBytes)
	message := make([]byte, t.n)
	t.start()
	for i := 1; i <= t.ops+1; i++ {
		binary.LittleEndian.PutUint64(message, uint64(i%(t.ops+1))) // the last is 0
		_, err := out.Write(message)
		must(err)
	}
	must(out.Flush())
	_, err := io.ReadFull(c, message[:8])
	must(err)
	t.stop()
	c.end()
	ops := uint64(t.ops)
	if sum := binary.LittleEndian.Uint64(message); sum != ops*(ops+1)/2 {
		t.wrong("the sum is %d", sum)
	}
	return []float64{t.rate()}
}
