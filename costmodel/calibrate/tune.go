package calibrate

import (
	"fmt"
	"os"
)

func tune(s smoothing) smoothing {
	if e := os.Getenv("LAM"); e != "" {
		fmt.Sscan(e, &s.Axis[0], &s.Axis[1], &s.Axis[2], &s.Axis[3], &s.Slice, &s.Ridge, &s.Tail)
	}
	return s
}
