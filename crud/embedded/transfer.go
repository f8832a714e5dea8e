package embedded

func (c *call) export() error      { return leftOut("export") }
func (c *call) importNew() error   { return leftOut("import") }
func (c *call) importPatch() error { return leftOut("import") }
