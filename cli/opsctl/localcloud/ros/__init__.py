"""The template language of the Resource Orchestration Service (ROSTemplateFormatVersion 2015-09-01).

The language is pure code without I/O: ``template.parse`` reads a text, ``parameters.bind`` types what the caller
passed, ``program.compile`` checks the whole and puts the resources in order, and ``Program.resolve`` computes
properties and outputs while resources come to life.  All refusals are :class:`opsctl.localcloud.errors.ApiError` with
the service's codes and the place in the template (``Resources.Web.Properties.CidrBlock.Fn::Join``).
"""
