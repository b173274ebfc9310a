"""The sheet of a guide (产品说明书): one or two A4 pages that a hall hangs up."""
