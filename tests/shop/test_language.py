import re

from mmtutorial.shop import language


def test_both_languages_say_the_same_things():
    for key, (english, chinese) in language.SAYS.items():
        names = [sorted(re.findall(r"{(\w+)", text)) for text in (english, chinese)]
        assert names[0] == names[1], key
        assert re.search("[\u4e00-\u9fff]", chinese), key
