package dev.causal4j.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/**
 * The coordinates, properties and dependencies of a pom, its parents included.
 *
 * @param brought the artifacts that a project gets with this one, without those that they bring
 */
record Pom(String artifact, String version, Map<String, String> properties, List<String> brought) {
    static Pom read(Path file) throws IOException {
        Element project;
        try {
            project = DocumentBuilderFactory.newInstance()
                    .newDocumentBuilder()
                    .parse(file.toFile())
                    .getDocumentElement();
        } catch (ParserConfigurationException | SAXException e) {
            throw new IOException(file.toString(), e);
        }
        Map<String, String> properties = new TreeMap<>();
        List<String> brought = new ArrayList<>();
        Optional<Element> parent = children(project, "parent").findFirst();
        String version = text(
                project,
                "version",
                parent.map(each -> text(each, "version", "")).orElse(""));
        if (parent.isPresent()) {
            Path above = parent(file, parent.get());
            if (Files.exists(above)) {
                Pom inherited = read(above);
                properties.putAll(inherited.properties);
                brought.addAll(inherited.brought);
            }
        }
        children(project, "properties")
                .flatMap(all -> children(all, ""))
                .forEach(each ->
                        properties.put(each.getTagName(), each.getTextContent().strip()));
        children(project, "dependencies")
                .flatMap(all -> children(all, "dependency"))
                .filter(each -> text(each, "optional", "false").equals("false"))
                .filter(each -> List.of("compile", "runtime").contains(text(each, "scope", "compile")))
                .map(each -> resolved(text(each, "artifactId", ""), properties))
                .forEach(brought::add);
        return new Pom(resolved(text(project, "artifactId", ""), properties), version, properties, brought);
    }

    private static String resolved(String text, Map<String, String> properties) {
        return Pattern.compile("\\$\\{(.*?)}")
                .matcher(text)
                .replaceAll(each -> properties.getOrDefault(each.group(1), "unknown"));
    }

    /** Where a parent's pom lies: beside this one in the repository, else among the files of the local Maven repository. */
    private static Path parent(Path file, Element parent) {
        Path beside =
                file.resolveSibling(text(parent, "relativePath", "../pom.xml")).normalize();
        if (Files.exists(beside) && file.getFileName().toString().equals("pom.xml")) {
            return beside;
        }
        String artifact = text(parent, "artifactId", "");
        String version = text(parent, "version", "");
        Path repository = file;
        while (repository != null && !repository.endsWith("repository")) {
            repository = repository.getParent();
        }
        return repository == null
                ? file.resolveSibling("none")
                : repository
                        .resolve(text(parent, "groupId", "").replace('.', '/'))
                        .resolve(artifact)
                        .resolve(version)
                        .resolve(artifact + "-" + version + ".pom");
    }

    /** The elements of a name below another, all for an empty name. */
    private static Stream<Element> children(Element parent, String name) {
        NodeList nodes = parent.getChildNodes();
        return IntStream.range(0, nodes.getLength())
                .mapToObj(nodes::item)
                .filter(Element.class::isInstance)
                .map(Element.class::cast)
                .filter(each -> name.isEmpty() || each.getTagName().equals(name));
    }

    private static String text(Element parent, String name, String absent) {
        return children(parent, name)
                .findFirst()
                .map(each -> each.getTextContent().strip())
                .orElse(absent);
    }
}
