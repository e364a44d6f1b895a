package main

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/plan"
)

// everyDevice is the name under which a list of prices has a price for all devices.
const everyDevice = ""

// costFlags say what devices cost.
type costFlags struct{ prices []string }

func (p *costFlags) register(c *cobra.Command) {
	c.Flags().StringArrayVar(&p.prices, "price", nil, "USD an hour of each device, as 1.80 or a100-80gb=1.80,h200=3.50, a file of them, or examples: dated prices that come with ridgeline")
}

// quotes reads the prices, by device.
func (p *costFlags) quotes() (map[string]plan.Quote, error) {
	quotes := map[string]plan.Quote{}
	for _, v := range p.prices {
		every, isNumber, ok := dollars(v)
		switch {
		case isNumber && !ok:
			return nil, fmt.Errorf("--price %s: USD an hour of one device are more than 0 and less than 1e6", v)
		case isNumber:
			quotes[everyDevice] = plan.Quote{Price: every, Source: "as given"}
		case strings.Contains(v, "="):
			for _, part := range strings.Split(v, ",") {
				name, usd, _ := strings.Cut(strings.TrimSpace(part), "=")
				x, _, ok := dollars(usd)
				if !ok {
					return nil, fmt.Errorf("--price %s: want DEVICE=USD an hour, as in h100-sxm=3", part)
				}
				hw, err := hardware.Open(name)
				if err != nil {
					return nil, fmt.Errorf("--price: %w", err)
				}
				quotes[hw.Name] = plan.Quote{Price: x, Source: "as given"}
			}
		case v == "examples":
			maps.Copy(quotes, plan.ExamplePrices())
		default:
			b, err := input.ReadYAML(v)
			if err != nil {
				return nil, fmt.Errorf("--price: %w", err)
			}
			list, err := plan.ParsePrices(v, b)
			if err != nil {
				return nil, fmt.Errorf("--price: %w", err)
			}
			maps.Copy(quotes, list)
		}
	}
	return quotes, nil
}

// dollars reads USD an hour. It returns whether the text is a number, and whether that number can
// be a price.
func dollars(s string) (usd float64, isNumber, ok bool) {
	usd, err := strconv.ParseFloat(strings.TrimPrefix(s, "$"), 64)
	return usd, err == nil, err == nil && usd > 0 && usd < 1e6
}

// of returns what devices cost, by name, and where the prices come from. Without prices it
// returns none; where one of the devices has no price, it returns an error.
func (p *costFlags) of(devices []string) (prices map[string]float64, from []string, err error) {
	quotes, err := p.quotes()
	if err != nil || len(p.prices) == 0 {
		return nil, nil, err
	}
	prices = map[string]float64{}
	for _, d := range devices {
		q, ok := quotes[d]
		if !ok {
			q, ok = quotes[everyDevice]
		}
		if !ok {
			return nil, nil, fmt.Errorf("--price: none for %s: give --price %s=USD an hour, or no prices at all", d, d)
		}
		if _, had := prices[d]; !had {
			from = append(from, strings.TrimSpace(fmt.Sprintf("%s %g USD/h, %s %s", d, q.Price, q.Source, q.Date)))
		}
		prices[d] = q.Price
	}
	return prices, from, nil
}

// ofModels does the same for the devices on which models are priced.
func (p *costFlags) ofModels(cs []*costmodel.Compiled) (map[string]float64, []string, error) {
	var names []string
	for _, c := range cs {
		names = append(names, c.Hardware.Name)
	}
	return p.of(names)
}
