"""Where alerts come from: what each kind of source tells, as alerts; and those that are asked instead of telling."""
