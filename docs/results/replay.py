#!/usr/bin/python3
"""Makes texts of this repository for `bench --replay`: OUT/edit.jsonl, quote.jsonl, table.jsonl and chat.jsonl.
usage: docs/results/replay.py OUT TOKENIZER [--texts N] [--tokens N]
TOKENIZER is a tokenizer.json or a folder with one; a text has at most so many tokens of prompt and of answer."""
import argparse, glob, json, os, random, re, subprocess

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
parser = argparse.ArgumentParser()
parser.add_argument('out')
parser.add_argument('tokenizer')
parser.add_argument('--texts', type=int, default=3)
parser.add_argument('--tokens', type=int, default=256)
given = parser.parse_args()
draw = random.Random(1)


def git(*command):
    return subprocess.run(('git',) + command, capture_output=True, text=True, check=True).stdout


def edits():
    """A file before a commit, and the whole file after it."""
    for commit in git('log', '--format=%h', '-400', '--no-merges').split():
        for line in git('show', '--numstat', '--diff-filter=M', '--no-renames', '--format=', commit).splitlines():
            more, less, path = line.split('\t')
            if path.endswith('.java') and more.isdigit() and 2 <= int(more) <= 12 and 2 <= int(less) <= 12:
                before, after = git('show', f'{commit}~:{path}'), git('show', f'{commit}:{path}')
                if 600 < len(before) < 3 * given.tokens + 600:
                    yield f'{before}\nThe file after the change:\n', after


def paragraphs(folder):
    for path in sorted(glob.glob(folder)):
        for part in open(path).read().split('\n\n'):
            if len(part) > 300 and not re.match(r'[|#`<*-]', part):
                yield ' '.join(part.split())


def quotes():
    """A guide and a question, answered by some of its sentences."""
    for text in paragraphs('docs/guides/*.md'):
        sentences = re.findall(r'[A-Z][^.]{20,}\.', text)
        if len(sentences) >= 3:
            some = draw.sample(sentences, 3)
            yield f'{text}\nWhat does the guide say?\n', f'It says: "{some[0]}" Also "{some[1]}" And "{some[2]}"'


def tables():
    """A table, then the same as JSON."""
    for path in sorted(glob.glob('docs/**/*.md', recursive=True)):
        for table in re.findall(r'(?:^\|.*\|\n){5,}', open(path).read(), re.M):
            head, _, *rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.strip().split('\n')]
            if all(head) and all(len(row) == len(head) for row in rows):
                objects = [dict(zip(head, row)) for row in rows]
                yield f'{table}\nThe table as JSON:\n', json.dumps(objects, indent=1, ensure_ascii=False)


def chats():
    """A question, and a paragraph that has no text in common with it."""
    for text in paragraphs('docs/decisions/*.md'):
        yield 'Tell me something that I do not know yet.\n', text


def encode(texts):
    lines = ''.join(json.dumps({'text': text}) + '\n' for text in texts)
    run = subprocess.run(['./causal4j', 'tokenizer', 'encode', '--tokenizer', given.tokenizer, '--jsonl', '-'],
                         input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line)['tokens'] for line in run.stdout.splitlines()]


os.makedirs(given.out, exist_ok=True)
for name, kind in {'edit': edits, 'quote': quotes, 'table': tables, 'chat': chats}.items():
    pairs = list(kind())[:400]
    draw.shuffle(pairs)
    pairs = pairs[:4 * given.texts]
    ids = encode([text for pair in pairs for text in pair])
    fitting = [{'prompt': prompt[-3 * given.tokens:], 'answer': answer[:given.tokens]}
               for prompt, answer in zip(ids[::2], ids[1::2]) if len(answer) >= 40]
    with open(os.path.join(given.out, name + '.jsonl'), 'w') as out:
        out.writelines(json.dumps(each) + '\n' for each in fitting[:given.texts])
