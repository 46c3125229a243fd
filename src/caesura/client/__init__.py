"""Client of the live wire: streams audio, survives outages without losing words, and gives each word its times."""
