"""What the shop page says, in English and Chinese."""

from mmtutorial import TutorialError

SAYS = {  # English, Chinese; what belongs to a catalogue (titles, values) stays as it is there
    "shop": ("{name} shop", "{name} 商店"),
    "ask": ("What are you looking for?", "您想找什么？"),
    "search": ("Search", "搜索"),
    "add photo": ("Add a photo", "添加照片"),
    "remove photo": ("Remove photo", "移除照片"),
    "words": ("words", "文字"),
    "photo": ("photo", "照片"),
    "mixing": ("More words or more photo", "文字与照片的比重"),
    "language": ("Language", "语言"),
    "filters": ("Filters", "筛选"),
    "any": ("{name}: any", "{name}：不限"),
    "commonest": (
        "{name}: the {most} commonest of {total:,}; type any other in the search.",
        "{name}：仅列出最常见的 {most} 个（共 {total:,} 个），其他的请输入搜索框。",
    ),
    "clear": ("Clear filters", "清除筛选"),
    "article_type": ("Article type", "商品类型"),
    "brand": ("Brand", "品牌"),
    "colour": ("Colour", "颜色"),
    "gender": ("For", "适用人群"),
    "pattern": ("Pattern", "图案"),
    "usage": ("Usage", "场合"),
    "season": ("Season", "季节"),
    "price": ("Price", "价格"),
    "from": ("{name}, from", "{name}，最低"),
    "to": ("{name}, to", "{name}，最高"),
    "narrow": ("Show only these", "只看这些"),
    "back": ("← Back", "← 返回"),
    "previous": ("← Previous", "← 上一页"),
    "next": ("Next →", "下一页 →"),
    "place": (
        "{total:,} products, page {page} of {pages:,}",
        "{total:,} 件商品，第 {page}/{pages:,} 页",
    ),
    "similar": ("Similar", "相似商品"),
    "similar to": ("Similar to {title}", "与 {title} 相似"),
    "why": ("Why?", "为什么？"),
    "its photo": ("its photo", "照片"),
    "its title": ("its title", "标题"),
    "its bm25": ("its words", "用词"),
    "its attributes": ("its attributes", "属性"),
    "its vectors": ("its photo and title", "照片和标题"),
    "ranked by": (
        "Each product is ranked by {how}. What has nothing to say about a query is left out.",
        "商品排序依据：{how}。与查询无关的部分不计入。",
    ),
    "not given": ("{value}? not given", "{value}？未注明"),
    "other": ("{has}, not {value}", "{has}，不是 {value}"),
    "all products": ("All products", "全部商品"),
    "searching": ("Searching …", "正在搜索……"),
    "searching for": ("Searching for {what} …", "正在搜索{what}……"),
    "results": ("Results for {what}", "{what}的搜索结果"),
    "your photo": ("your photo", "您的照片"),
    "both": ("{words} and your photo", "{words}和您的照片"),
    "read as": ("read as: {words}", "理解为：{words}"),
    "nothing": ("Nothing found", "没有找到商品"),
    "hint": (
        "Type what you are looking for, or add a photo.",
        "请输入想找的商品，或添加一张照片。",
    ),
    "none passes": (
        "No product passes these filters: clear one of them.",
        "没有符合筛选条件的商品：请清除一个条件。",
    ),
    "no word": (
        "No title has a word of “{text}”: try other words.",
        "没有标题含有“{text}”中的词：请换别的词。",
    ),
    "no word, close": (
        "No title has a word of “{text}”: did you mean {close}?",
        "没有标题含有“{text}”中的词：您是不是要找 {close}？",
    ),
    "unknown": ("No title has “{word}”.", "没有标题含有“{word}”。"),
    "unknown, close": (
        "No title has “{word}”: did you mean {close}?",
        "没有标题含有“{word}”：您是不是要找 {close}？",
    ),
    "too long": (
        "{length} characters are too many: describe it in up to {most}",
        "{length} 个字符太多了：请用不超过 {most} 个字符描述",
    ),
    "trouble": (
        "Something went wrong here. Try again, or ask for something else.",
        "出了点问题。请重试，或搜索别的商品。",
    ),
    "large": (
        "“{name}” has {size} MB; a photo may have {most}: make it smaller, or take another one",
        "“{name}”有 {size} MB，照片最多 {most} MB：请缩小它，或换一张",
    ),
    "no photo": (
        "“{name}” is no photo that can be read: take one of {formats}",
        "“{name}”不是可以读取的照片：请选择 {formats} 格式",
    ),
    "many pixels": (
        "“{name}” would unpack to more than {most} million pixels: make it smaller, or take "
        "another one",
        "“{name}”展开后超过 {most} 百万像素：请缩小它，或换一张",
    ),
    "silent": (
        "There is no answer: this page was left for too long, or the shop is closed. Load the "
        "page again.",
        "没有回应：页面闲置太久，或商店已关闭。请重新加载页面。",
    ),
    "foreign": (
        "Another site's page asked for the shop. The shop opens only when you ask for it yourself.",
        "这个请求来自其他网站的页面。请您自己打开商店。",
    ),
    "open": ("Open the shop", "打开商店"),
    "unusable": ("“{name}” cannot be used: {why}", "“{name}”无法使用：{why}"),
    # What the server says (door.py, service.py).
    "busy": (
        "The shop is busy. The page asks again in {seconds} s.",
        "商店繁忙，{seconds} 秒后自动重试。",
    ),
    "opening": (
        "The shop is being opened. The page comes as soon as it is ready.",
        "商店正在打开，准备好后页面会自动出现。",
    ),
    "often": (
        "These are very many requests from one address: wait a few seconds.",
        "来自同一地址的请求太多：请稍等几秒。",
    ),
    "other name": (
        "The shop does not go by the name {host}: open it at {address}.",
        "商店的地址不是 {host}：请打开 {address}。",
    ),
    "nowhere": ("There is nothing at this address.", "这个地址没有内容。"),
    "odd address": ("This address cannot be read.", "无法读取这个地址。"),
    "odd": (
        "The shop cannot do anything with this value of “{name}”.",
        "商店无法处理“{name}”的这个值。",
    ),
    "photo gone": (
        "This photo is not kept any more. Add it again.",
        "这张照片已不再保留，请重新添加。",
    ),
}
ENGLISH, CHINESE = 0, 1


def say(key: str, language: int = ENGLISH, **values) -> str:
    """What the page says under ``key`` of ``SAYS``, in that language.

    >>> say("similar to", CHINESE, title="Hat")
    '与 Hat 相似'
    """
    return SAYS[key][language].format(**values)


class Said(TutorialError):
    """A fault that a page can say in its visitor's language; as a text it is English."""

    def __init__(self, key, **values):
        super().__init__(say(key, **values))
        self.key, self.values = key, values
