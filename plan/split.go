package plan

import (
	"errors"

	"github.com/OWNER/ridgeline/costmodel"
)

// split sets how a base is divided over devices.
func split(_ *costmodel.Options, b *base) error {
	if b.pp > 1 || b.ep > 1 || b.dp > 1 {
		return errors.New("pipeline, expert and data parallelism inside a replica are not priced yet: vary tp, and replicas follow from the load")
	}
	return nil
}
