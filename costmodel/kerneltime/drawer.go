package kerneltime

import (
	"sync"
	"sync/atomic"
)

// drawer holds the fitted model of a class of kernels. The model is decoded when it is first
// asked for, since most questions need few classes of a profile.
type drawer[M any] struct {
	ready atomic.Bool
	once  sync.Once
	open  func() M
	model M
}

// filled returns a drawer that holds a model.
func filled[M any](m M) *drawer[M] {
	d := &drawer[M]{model: m}
	d.ready.Store(true)
	return d
}

// closed returns a drawer that makes its model when the model is first asked for.
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
