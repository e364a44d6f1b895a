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

// lateCollection lets the heap grow to 32 MB before garbage is collected for the first
// time, and leaves everything as it was from then on. Most commands end before: collecting
// their few megabytes twice took a fifth of their time.
func lateCollection() {
	if os.Getenv("GOGC") != "" {
		return // whoever sets it means it
	}
	debug.SetGCPercent(800) // of the 4 MB below which Go never collects
	runtime.AddCleanup(new([64]byte), func(percent int) { debug.SetGCPercent(percent) }, 100)
}

// interruptible is a context that the first Ctrl-C, or request to end, cancels. From then
// on signals do again what they do without us: a second one ends the process at once.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, signals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
