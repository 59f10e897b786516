// SPDX-License-Identifier: BSD-3-Clause

// The Go peer of kcoro-bench: the same work, under the same names.
//
//	peer-go NAME N OPS WORKERS CPU
//
// does one warm-up pass and one measured pass, checks the answer, and prints the figures, one a
// line. N and OPS mean what they mean in the row of that name; CPU is where a second process runs.
// Exit status 3: nothing by that name.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	nothingByThatName = 3
	seed              = 88172645463325252
)

// A trial is one call of a body, which does ops operations.
type trial struct {
	name   string
	n, ops int
	began  time.Time
	ended  time.Duration
}

func (t *trial) start()         { t.began = time.Now() }
func (t *trial) stop()          { t.ended = time.Since(t.began) }
func (t *trial) perOp() float64 { return float64(t.ended.Nanoseconds()) / float64(t.ops) }
func (t *trial) ms() float64    { return float64(t.ended.Nanoseconds()) / 1e6 }
func (t *trial) rate() float64  { return float64(t.ops) / float64(t.ended.Nanoseconds()) * 1e6 }

func (t *trial) wrong(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peer-go: %s: wrong answer: %s\n", t.name, fmt.Sprintf(format, args...))
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer-go:", err)
		os.Exit(1)
	}
}

type work struct {
	prefix string
	cold   bool // no warm-up pass
	body   func(t *trial) []float64
}

var all = []work{
	{"yield.", false, yield},
	{"spawn.one", false, spawnOne},
	{"spawn.batch1000", false, spawnBatch},
	{"pingpong.rendezvous", false, pingpong},
	{"stream.", false, stream},
	{"select.ready.", false, selectReady},
	{"select.park.", false, selectPark},
	{"mutex.", false, mutex},
	{"sieve.2500", false, sieve},
	{"skynet.", false, skynet},
	{"mem.parked.", true, parked},
	{"timers.", true, timers},
	{"wake.cross", false, wake},
	{"ipc.echo64.", false, ipcEcho},
	{"ipc.stream.", false, ipcStream},
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "--serve" {
		serve(os.Args[2], os.Args[3])
		return
	}
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: peer-go NAME N OPS WORKERS CPU")
		os.Exit(2)
	}
	numbers := make([]int, 4)
	for i := range numbers {
		var err error
		numbers[i], err = strconv.Atoi(os.Args[2+i])
		must(err)
	}
	for _, w := range all {
		if strings.HasPrefix(os.Args[1], w.prefix) {
			serverCPU = numbers[3]
			run(w, os.Args[1], numbers[0], numbers[1], numbers[2])
			return
		}
	}
	os.Exit(nothingByThatName)
}

func run(w work, name string, n, ops, workers int) {
	if workers > 0 {
		runtime.GOMAXPROCS(workers)
	}
	if !w.cold {
		w.body(&trial{name: name, n: n, ops: max(ops/8, 1)})
	}
	for _, figure := range w.body(&trial{name: name, n: n, ops: ops}) {
		fmt.Println(figure)
	}
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// xorshift64, as in harness.h.
func nextRandom(state *uint64) uint64 {
	*state ^= *state << 13
	*state ^= *state >> 7
	*state ^= *state << 17
	return *state
}

func percentile(values []float64, share float64) float64 {
	sort.Float64s(values)
	rank := int(share * float64(len(values)))
	if rank >= len(values) {
		rank = len(values) - 1
	}
	return values[rank]
}

// A crowd is many goroutines that start together.
type crowd struct {
	here, done sync.WaitGroup
	gate       chan struct{}
}

func gather(n int, member func()) *crowd {
	c := &crowd{gate: make(chan struct{})}
	c.here.Add(n)
	c.done.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			c.here.Done()
			<-c.gate
			member()
			c.done.Done()
		}()
	}
	c.here.Wait()
	return c
}

func (c *crowd) release() {
	close(c.gate)
	c.done.Wait()
}

// ---- yield, spawn ----

func yield(t *trial) []float64 {
	var underWay, done int64
	n := t.n
	if t.ops < n {
		n = t.ops
	}
	rounds := t.ops / n
	t.ops = rounds * n
	gather(n, func() {
		if atomic.AddInt64(&underWay, 1) == 1 {
			t.start()
		}
		for i := 0; i < rounds; i++ {
			runtime.Gosched()
		}
		if atomic.AddInt64(&done, 1) == int64(n) {
			t.stop()
		}
	}).release()
	return []float64{t.perOp()}
}

func spawnOne(t *trial) []float64 {
	ran := 0
	done := make(chan struct{})
	t.start()
	for i := 0; i < t.ops; i++ {
		go func() {
			ran++
			done <- struct{}{}
		}()
		<-done
	}
	t.stop()
	if ran != t.ops {
		t.wrong("%d runs of %d", ran, t.ops)
	}
	return []float64{t.perOp()}
}

func spawnBatch(t *trial) []float64 {
	const batch = 1000
	var ran [batch]byte
	var wg sync.WaitGroup
	batches := (t.ops + batch - 1) / batch
	t.ops = batches * batch
	t.start()
	for i := 0; i < batches; i++ {
		wg.Add(batch)
		for k := 0; k < batch; k++ {
			go func(p *byte) {
				*p++
				wg.Done()
			}(&ran[k])
		}
		wg.Wait()
	}
	t.stop()
	for _, r := range ran {
		if r != byte(batches) {
			t.wrong("%d runs of %d (modulo 256)", r, batches)
		}
	}
	return []float64{t.perOp()}
}

// ---- channels ----

func pingpong(t *trial) []float64 {
	there, back := make(chan uint64), make(chan uint64)
	rounds := (t.ops + 1) / 2
	t.ops = rounds * 2
	last := make(chan uint64)
	t.start()
	go func() {
		for i := 0; i < rounds; i++ {
			back <- <-there + 1
		}
	}()
	go func() {
		var ball uint64
		for i := 0; i < rounds; i++ {
			there <- ball + 1
			ball = <-back
		}
		last <- ball
	}()
	ball := <-last
	t.stop()
	if ball != uint64(t.ops) {
		t.wrong("the ball says %d after %d messages", ball, t.ops)
	}
	return []float64{t.perOp()}
}

func stream(t *trial) []float64 {
	sides := t.n % 100
	each := (t.ops + sides - 1) / sides
	t.ops = each * sides
	ch := make(chan uint64, t.n/100)
	sums := make(chan uint64, sides)
	var producers sync.WaitGroup
	producers.Add(sides)
	t.start()
	for i := 0; i < sides; i++ {
		go func() {
			sum := uint64(0)
			for v := range ch {
				sum += v
			}
			sums <- sum
		}()
		go func() {
			for v := 1; v <= each; v++ {
				ch <- uint64(v)
			}
			producers.Done()
		}()
	}
	producers.Wait()
	close(ch)
	sum := uint64(0)
	for i := 0; i < sides; i++ {
		sum += <-sums
	}
	t.stop()
	if want := uint64(each) * uint64(each+1) / 2 * uint64(sides); sum != want {
		t.wrong("the sum is %d, not %d", sum, want)
	}
	return []float64{t.perOp()}
}

// ---- select ----

func doors(n, capacity int) []chan uint64 {
	c := make([]chan uint64, n)
	for i := range c {
		c[i] = make(chan uint64, capacity)
	}
	return c
}

func selecting(n int) func(c []chan uint64) uint64 {
	switch n {
	case 2:
		return select2
	case 8:
		return select8
	}
	return select64
}

func selectReady(t *trial) []float64 {
	c, pick := doors(t.n, 1), selecting(t.n)
	state := uint64(seed)
	t.start()
	for i := 0; i < t.ops; i++ {
		r := nextRandom(&state)
		c[r%uint64(t.n)] <- r
		if got := pick(c); got != r {
			t.wrong("got %d, not %d", got, r)
		}
	}
	t.stop()
	return []float64{t.perOp()}
}

func selectPark(t *trial) []float64 {
	c, pick := doors(t.n, 0), selecting(t.n)
	t.start()
	go func() {
		state := uint64(seed)
		for i := 0; i < t.ops; i++ {
			r := nextRandom(&state)
			c[r%uint64(t.n)] <- r
		}
	}()
	state := uint64(seed)
	for i := 0; i < t.ops; i++ {
		if got, want := pick(c), nextRandom(&state); got != want {
			t.wrong("got %d, not %d", got, want)
		}
	}
	t.stop()
	return []float64{t.perOp()}
}

// ---- mutex ----

func mutex(t *trial) []float64 {
	var lock sync.Mutex
	var underWay, done int64
	sum := 0
	each := (t.ops + t.n - 1) / t.n
	t.ops = each * t.n
	gather(t.n, func() {
		if atomic.AddInt64(&underWay, 1) == 1 {
			t.start()
		}
		for i := 0; i < each; i++ {
			lock.Lock()
			sum++
			lock.Unlock()
		}
		if atomic.AddInt64(&done, 1) == int64(t.n) {
			t.stop()
		}
	}).release()
	if sum != t.ops {
		t.wrong("counted to %d of %d", sum, t.ops)
	}
	return []float64{t.perOp()}
}

// ---- programs ----

func sieve(t *trial) []float64 {
	c := make(chan int)
	t.start()
	go func() {
		for i := 2; ; i++ {
			c <- i
		}
	}()
	in, p := c, 0
	for i := 0; i < t.ops; i++ {
		p = <-in
		out := make(chan int)
		go func(in, out chan int, prime int) {
			for {
				if v := <-in; v%prime != 0 {
					out <- v
				}
			}
		}(in, out, p)
		in = out
	}
	t.stop()
	if t.ops == 2500 && p != 22307 {
		t.wrong("prime number 2500 is %d", p)
	}
	return []float64{t.ms()}
}

func skynetNode(up chan int, first, leaves int) {
	if leaves == 1 {
		up <- first
		return
	}
	below := make(chan int)
	for i := 0; i < 10; i++ {
		go skynetNode(below, first+i*leaves/10, leaves/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-below
	}
	up <- sum
}

func skynet(t *trial) []float64 {
	leaves := 1
	for leaves*10 <= t.ops {
		leaves *= 10
	}
	top := make(chan int)
	t.start()
	go skynetNode(top, 0, leaves)
	sum := <-top
	t.stop()
	if sum != leaves*(leaves-1)/2 {
		t.wrong("%d leaves sum up to %d", leaves, sum)
	}
	return []float64{t.ms()}
}

// ---- memory, time ----

func resident() float64 {
	var size, pages float64
	text, err := os.ReadFile("/proc/self/statm")
	must(err)
	fmt.Sscan(string(text), &size, &pages)
	return pages * float64(os.Getpagesize())
}

func parked(t *trial) []float64 {
	before := resident()
	t.start()
	c := gather(t.ops, func() {})
	t.stop()
	each := (resident() - before) / float64(t.ops)
	c.release()
	return []float64{each, t.perOp()}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func timers(t *trial) []float64 {
	state := uint64(seed)
	at := make([]time.Duration, t.ops)
	late := make([]float64, t.ops)
	for i := range at {
		at[i] = time.Duration(nextRandom(&state) % (uint64(t.ops) * 10000))
	}
	var bed int64 = -1
	var released time.Time
	c := gather(t.ops, func() {
		i := atomic.AddInt64(&bed, 1)
		time.Sleep(at[i] - time.Since(released))
		late[i] = float64(time.Since(released)-at[i]) / 1e6
	})
	cpu := cpuTime()
	released = time.Now()
	c.release()
	cpu = cpuTime() - cpu
	p99 := percentile(late, 0.99)
	if late[0] < 0 {
		t.wrong("one woke %g ms early", -late[0])
	}
	return []float64{float64(cpu) / 1e6, p99}
}

func burn(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

func wake(t *trial) []float64 {
	const quiet, patience = 200 * time.Microsecond, 20 * time.Millisecond
	var heard int64
	us := make([]float64, t.ops)
	bell := make(chan time.Time)
	go func() {
		for i := range us {
			rung := <-bell
			us[i] = float64(time.Since(rung)) / 1e3
			atomic.StoreInt64(&heard, int64(i+1))
		}
	}()
	for i := range us {
		burn(quiet)
		rung := time.Now()
		bell <- rung
		for atomic.LoadInt64(&heard) <= int64(i) && time.Since(rung) < patience {
		}
		burn(quiet)
	}
	for atomic.LoadInt64(&heard) < int64(t.ops) {
		runtime.Gosched()
	}
	return []float64{percentile(us, 0.50), percentile(us, 0.99)}
}
