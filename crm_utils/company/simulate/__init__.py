"""The fictional company of the demo, Yunshan Tea (云杉茶), made from parameters that are known."""
