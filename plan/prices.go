package plan

import (
	_ "embed"
	"fmt"
	"maps"
	"math"
	"sync"

	"github.com/OWNER/ridgeline/internal/input"
)

// Quote is the price of one device, in USD an hour.
type Quote struct {
	Device string  `yaml:"device"`
	Price  float64 `yaml:"usd_per_hour"`
	Date   string  `yaml:"date"`   // when the price was read
	Source string  `yaml:"source"` // what is priced, and where that can be read
}

//go:embed prices.yaml
var prices []byte

// ParsePrices reads a file of prices: a list of device, usd_per_hour, date and source. A device
// without a price is left for the reader of the file to fill in, and has none here.
func ParsePrices(file string, data []byte) (map[string]Quote, error) {
	var list []Quote
	if err := input.Decode(file, data, &list); err != nil {
		return nil, err
	}
	out, seen := map[string]Quote{}, map[string]bool{}
	for i, q := range list {
		switch {
		case q.Device == "":
			return nil, fmt.Errorf("%s: entry %d has no device", file, i+1)
		case !(q.Price >= 0) || math.IsInf(q.Price, 0):
			return nil, fmt.Errorf("%s: %s: usd_per_hour %g must be positive", file, q.Device, q.Price)
		}
		if seen[q.Device] {
			return nil, fmt.Errorf("%s: %s is given twice", file, q.Device)
		}
		seen[q.Device] = true
		if q.Price > 0 {
			out[q.Device] = q
		}
	}
	return out, nil
}

// ExamplePrices returns example prices by device, each with a date and a source. They show the
// form and are not meant for decisions. The caller may change the map.
func ExamplePrices() map[string]Quote { return maps.Clone(examples()) }

var examples = sync.OnceValue(func() map[string]Quote {
	out, err := ParsePrices("prices.yaml", prices)
	if err != nil {
		panic("plan: " + err.Error()) // cannot happen: a test reads the file
	}
	return out
})
