package kerneltime

import (
	"sync"
	"sync/atomic"
)

// drawer holds the fitted model of a class of kernels, which is decoded when it is first
// asked for: most questions open few of a profile's.
type drawer[M any] struct {
	ready atomic.Bool
	once  sync.Once
	open  func() M
	model M
}

// filled is a drawer with a model at hand.
func filled[M any](m M) *drawer[M] {
	d := &drawer[M]{model: m}
	d.ready.Store(true)
	return d
}

// closed is a drawer that makes its model when it is opened.
func closed[M any](open func() M) *drawer[M] { return &drawer[M]{open: open} }

func (d *drawer[M]) get() *M {
	if !d.ready.Load() {
		d.fill()
	}
	return &d.model
}

func (d *drawer[M]) fill() {
	d.once.Do(func() {
		d.model = d.open()
		d.open = nil
		d.ready.Store(true)
	})
}
