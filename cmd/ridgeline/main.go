// Command ridgeline prices decoder architectures: how fast they decode, what they store
// and move, and where the time goes.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	lateCollection()
	ctx, stop := interruptible(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// lateCollection lets the heap grow to 32 MB before the first garbage collection, after which
// everything is as usual. Most commands end earlier: to collect their few megabytes twice took a
// fifth of their time.
func lateCollection() {
	if os.Getenv("GOGC") != "" {
		return // the user has chosen a value
	}
	debug.SetGCPercent(800) // eight times the 4 MB below which Go never collects
	runtime.AddCleanup(new([64]byte), func(percent int) { debug.SetGCPercent(percent) }, 100)
}

// interruptible returns a context that is cancelled by the first Ctrl-C or request to end. After
// that, signals have their usual effect: a second one ends the process at once.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup the signal is ignored
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, signals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
