package dev.causal4j.hub;

import java.nio.file.Path;
import java.util.List;

/**
 * A model in the cache: whole after a pull, whole or not in {@link Hub#list}.
 *
 * @param commit the commit that its revision is
 * @param path its folder; where one GGUF file, perhaps in parts, was asked for, that file or the first of them
 * @param files the paths of its files in the repository
 * @param bytes the size of its files
 * @param fetchedBytes how many of them came over the network
 */
public record Pulled(ModelName name, String commit, Path path, List<String> files, long bytes, long fetchedBytes) {}
