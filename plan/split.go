package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
)

// split sets how a base is divided over devices.
func split(o *costmodel.Options, b *base) error {
	if b.pp > 1 || b.dp > 1 {
		return errors.New("pipeline stages and groups of devices inside a replica are priced but not simulated: vary tp and ep, and replicas follow from the load")
	}
	o.PP, o.EP, o.DP = b.pp, b.ep, b.dp
	return nil
}

// refused says why an engine cannot divide a base this way, "" where it can: vLLM spreads experts
// over all devices of a replica or over none (--enable-expert-parallel).
func refused(engine string, b *base) string {
	if strings.HasPrefix(engine, "vllm") && b.ep > 1 && b.ep != b.gpus {
		return fmt.Sprintf("%s spreads experts over all %d devices of a replica, not over ep %d", engine, b.gpus, b.ep)
	}
	return ""
}
