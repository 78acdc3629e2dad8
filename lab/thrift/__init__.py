"""The Thrift service that the lab's gateway serves: its IDL, a server, a client and their bundle.

It speaks the strict binary protocol over plain TCP. It needs thriftpy2 and the standard library
alone, so that a machine with nothing but Python runs it from one file.
"""
